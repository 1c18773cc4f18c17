//! Run an agent under `cargo test`, without a cloud.
//!
//! Outside a component the SDK talks to the [`FakeHost`] of the current
//! thread: it records what the agent does, delivers the events a test wants, and moves
//! sleeps along in virtual time. Tests of one crate run side by side, because each thread has its own.
//!
//! ```
//! use std::time::Duration;
//! use agent::testing::FakeHost;
//!
//! async fn agent(_: agent::Start) -> Result<(), agent::Error> {
//!     agent::print!("thinking... ");
//!     agent::sleep(Duration::from_secs(3)).await?;
//!     agent::println!("done");
//!     Ok(())
//! }
//!
//! let mut host = FakeHost::new();
//! host.start(agent);
//! assert_eq!(host.text(), "thinking... ");
//! host.settle();
//! assert_eq!(host.text(), "thinking... done\r\n");
//! assert_eq!(host.elapsed(), Duration::from_secs(3));
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use crate::types::{
    Completion, Event, Level, Message, Next, OpId, Operation, Outcome, Output, Progress, Refusal, Resume,
    ResumeCause, Sender, Size, Start, Stop, StopReason,
};
use crate::{entry, events, executor, operation};

pub(crate) mod seam;

/// How many `turn` events a delivered event may lead to before the agent is left working.
pub const DEFAULT_TURNS: usize = 100;

/// One entry the agent logged.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// How grave it is.
    pub level: Level,
    /// The text.
    pub message: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

struct State {
    output: Vec<u8>,
    log: Vec<LogEntry>,
    operations: Vec<(OpId, Operation)>,
    pending: BTreeMap<OpId, Operation>,
    cancelled: Vec<OpId>,
    /// Sleeps by due time, then by id.
    timers: BTreeSet<(Duration, OpId)>,
    now: Duration,
    size: Size,
    refuse_operations: Option<Refusal>,
    refuse_writes: Option<Refusal>,
    /// Asks until `interrupted` says yes; never, when absent.
    interrupt_after: Option<u64>,
    faults: Vec<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            output: Vec::new(),
            log: Vec::new(),
            operations: Vec::new(),
            pending: BTreeMap::new(),
            cancelled: Vec::new(),
            timers: BTreeSet::new(),
            now: Duration::ZERO,
            size: Size { cols: 80, rows: 24 },
            refuse_operations: None,
            refuse_writes: None,
            interrupt_after: None,
            faults: Vec::new(),
        }
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<State>>>> = const { RefCell::new(None) };
}

/// The host of the current thread's agent; one at a time, gone when dropped.
pub struct FakeHost {
    state: Rc<RefCell<State>>,
    turns: usize,
}

impl FakeHost {
    /// A host with an 80x24 terminal, and an agent that has not started.
    ///
    /// # Panics
    /// Another one is alive on this thread: agents of one thread share the executor.
    #[must_use]
    pub fn new() -> Self {
        let state = Rc::new(RefCell::new(State::default()));
        CURRENT.with_borrow_mut(|current| {
            assert!(current.is_none(), "one FakeHost a thread at a time");
            *current = Some(state.clone());
        });
        Self { state, turns: DEFAULT_TURNS }
    }

    /// Sets the terminal's size without telling the agent; for before its start.
    pub fn set_size(&mut self, cols: u16, rows: u16) {
        self.state.borrow_mut().size = Size { cols, rows };
    }

    /// How many `turn` events follow an event by themselves while the agent answers `again`.
    pub fn set_turns(&mut self, turns: usize) {
        self.turns = turns;
    }

    /// Starts the agent without a configuration.
    pub fn start<M, F, E>(&mut self, main: M) -> Next
    where
        M: FnOnce(Start) -> F,
        F: Future<Output = Result<(), E>> + 'static,
        E: Display,
    {
        self.start_with("null", main)
    }

    /// Starts the agent with a configuration in JSON.
    pub fn start_with<M, F, E>(&mut self, config: &str, main: M) -> Next
    where
        M: FnOnce(Start) -> F,
        F: Future<Output = Result<(), E>> + 'static,
        E: Display,
    {
        let start = Start {
            agent_id: "agt_test".to_owned(),
            name: "test".to_owned(),
            config: config.to_owned(),
            size: self.state.borrow().size,
            epoch: 1,
        };
        let answer = entry::handle(Event::Start(start), main);
        let next = self.note(answer);
        self.run_from(next)
    }

    /// Delivers one event and nothing else. A fault counts as `idle` and is kept in [`FakeHost::faults`].
    ///
    /// # Panics
    /// For `start`, which needs the agent's main function: use [`FakeHost::start`].
    pub fn deliver(&mut self, event: Event) -> Next {
        assert!(!matches!(event, Event::Start(_)), "start the agent with FakeHost::start");
        let answer = entry::handle(event, |_| std::future::ready(Ok::<(), String>(())));
        self.note(answer)
    }

    fn note(&mut self, answer: Result<Next, crate::types::Fault>) -> Next {
        answer.unwrap_or_else(|fault| {
            self.state.borrow_mut().faults.push(fault.reason);
            Next::Idle
        })
    }

    /// Delivers an event, then turns while the agent wants them, up to the
    /// number set with [`FakeHost::set_turns`]; `Again` means that it is still working.
    pub fn send(&mut self, event: Event) -> Next {
        let next = self.deliver(event);
        self.run_from(next)
    }

    fn run_from(&mut self, mut next: Next) -> Next {
        for _ in 0..self.turns {
            if next == Next::Idle {
                break;
            }
            next = self.deliver(Event::Turn);
        }
        next
    }

    /// Lets a working agent go on.
    pub fn run(&mut self) -> Next {
        self.send(Event::Turn)
    }

    /// Types bytes.
    pub fn input(&mut self, bytes: impl AsRef<[u8]>) -> Next {
        self.send(Event::Input(bytes.as_ref().to_vec()))
    }

    /// Changes the terminal's size.
    pub fn resize(&mut self, cols: u16, rows: u16) -> Next {
        self.set_size(cols, rows);
        self.send(Event::Resize(Size { cols, rows }))
    }

    /// Sends a message as the API does.
    pub fn message(&mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Next {
        let sent_at = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.send(Event::Message(Message {
            id: "msg_test".to_owned(),
            sender: Sender::Api,
            content_type: content_type.to_owned(),
            body: body.into(),
            sent_at,
        }))
    }

    /// Brings the agent back after a time away, as after a suspend.
    pub fn resume(&mut self, cause: ResumeCause, away: Duration) -> Next {
        let size = self.state.borrow().size;
        self.state.borrow_mut().now += away;
        let away_ms = u64::try_from(away.as_millis()).unwrap_or(u64::MAX);
        self.send(Event::Resume(Resume { cause, away_ms, epoch: 2, size }))
    }

    /// Tells the agent that it is about to end.
    pub fn stop(&mut self, reason: StopReason) -> Next {
        self.send(Event::Stop(Stop { reason, grace_ms: 5_000 }))
    }

    /// Completes an operation.
    ///
    /// # Panics
    /// No such operation is pending.
    pub fn complete(&mut self, op: OpId, outcome: Outcome) -> Next {
        let pending = self.state.borrow_mut().pending.remove(&op);
        assert!(pending.is_some(), "no pending operation {op}");
        self.state.borrow_mut().timers.retain(|(_, id)| *id != op);
        self.send(Event::Completed(Completion { op, outcome }))
    }

    /// Sends a part of an operation's result.
    pub fn progress(&mut self, op: OpId, part: impl Into<Vec<u8>>) -> Next {
        self.send(Event::Progress(Progress { op, part: part.into() }))
    }

    /// Lets virtual time pass and completes the sleeps that become due, in order.
    pub fn advance(&mut self, duration: Duration) -> Next {
        let until = self.elapsed() + duration;
        let mut next = Next::Idle;
        while let Some(due) = self.next_due().filter(|due| *due <= until) {
            next = self.wake(due);
        }
        self.state.borrow_mut().now = until;
        next
    }

    /// Completes sleeps in order, as fast as it goes, until none is pending.
    /// An agent that always sleeps again never settles: use [`FakeHost::advance`] for it.
    pub fn settle(&mut self) -> Next {
        let mut next = self.run();
        while let Some(due) = self.next_due() {
            next = self.wake(due);
        }
        next
    }

    fn next_due(&self) -> Option<Duration> {
        self.state.borrow().timers.first().map(|(due, _)| *due)
    }

    /// Moves the clock to `due` and completes the first sleep.
    fn wake(&mut self, due: Duration) -> Next {
        let first = {
            let mut state = self.state.borrow_mut();
            state.now = state.now.max(due);
            state.timers.first().map(|(_, op)| *op)
        };
        match first {
            Some(op) => self.complete(op, Outcome::Done(Output::Slept)),
            None => Next::Idle,
        }
    }

    /// Virtual time since the host was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.state.borrow().now
    }

    /// Makes [`interrupted`](crate::interrupted) say yes after it was asked this many times.
    pub fn interrupt_after(&mut self, asks: u64) {
        self.state.borrow_mut().interrupt_after = Some(asks);
    }

    /// Sets what [`interrupted`](crate::interrupted) says.
    pub fn set_interrupted(&mut self, interrupted: bool) {
        self.state.borrow_mut().interrupt_after = interrupted.then_some(0);
    }

    /// Refuses operations from now on, or accepts them again.
    pub fn refuse_operations(&mut self, refusal: Option<Refusal>) {
        self.state.borrow_mut().refuse_operations = refusal;
    }

    /// Refuses terminal writes from now on, or accepts them again.
    pub fn refuse_writes(&mut self, refusal: Option<Refusal>) {
        self.state.borrow_mut().refuse_writes = refusal;
    }

    /// Everything written to the terminal since the start or the last [`FakeHost::take_output`].
    #[must_use]
    pub fn output(&self) -> Vec<u8> {
        self.state.borrow().output.clone()
    }

    /// The terminal's output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.state.borrow().output).into_owned()
    }

    /// Takes the terminal's output, so that the next look sees only what is new.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.state.borrow_mut().output)
    }

    /// Everything logged.
    #[must_use]
    pub fn log(&self) -> Vec<LogEntry> {
        self.state.borrow().log.clone()
    }

    /// Every operation submitted, with its id, in order.
    #[must_use]
    pub fn operations(&self) -> Vec<(OpId, Operation)> {
        self.state.borrow().operations.clone()
    }

    /// The operations that have neither completed nor been cancelled.
    #[must_use]
    pub fn pending(&self) -> Vec<(OpId, Operation)> {
        self.state.borrow().pending.iter().map(|(id, op)| (*id, op.clone())).collect()
    }

    /// The operations the agent cancelled, in order.
    #[must_use]
    pub fn cancelled(&self) -> Vec<OpId> {
        self.state.borrow().cancelled.clone()
    }

    /// The reasons of the faults the agent answered with.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.state.borrow().faults.clone()
    }
}

impl Default for FakeHost {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeHost").field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        // The tasks first: what they own may cancel operations as it goes.
        executor::reset();
        operation::reset();
        events::reset();
        entry::reset();
        CURRENT.with_borrow_mut(|current| *current = None);
    }
}
