//! One shell: its variables, functions, directory, streams and jobs. A subshell is a copy that shares what
//! neither has changed since.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use crate::syntax::Command;

pub(crate) mod fds;
pub(crate) mod jobs;
pub(crate) mod options;
pub(crate) mod task;
pub(crate) mod vars;

use fds::Fds;
use jobs::Jobs;
use options::Options;
use vars::Vars;

/// Deepest nesting of commands being run at once: functions that call themselves, mostly.
pub(crate) const MAX_DEPTH: usize = 1000;
/// Most functions and aliases.
pub(crate) const MAX_DEFINITIONS: usize = 4096;

/// Why a command ends otherwise than with a status for the next one to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jump {
    /// Ends the shell.
    Exit(u8),
    /// Ends the function or the sourced file.
    Return(u8),
    /// Ends this many loops.
    Break(u32),
    /// Ends all but one of this many loops.
    Continue(u32),
    /// Ends this built-in, its message already written.
    Failed(u8),
    /// Ends the line at a prompt and a script as a whole: an expansion failed.
    Abandon(u8),
}

/// What a command comes to.
pub(crate) type Flow = Result<u8, Jump>;

/// What shells forked from each other have in common.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) home: PathBuf,
    /// Whether a person types the commands.
    pub(crate) interactive: Cell<bool>,
    pub(crate) started: crate::clock::Instant,
    pub(crate) next_pid: Cell<u32>,
    pub(crate) history: RefCell<crate::history::History>,
    /// Stages and background jobs that run now.
    pub(crate) tasks: Cell<usize>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) common: Rc<Common>,
    pub(crate) vars: RefCell<Vars>,
    pub(crate) functions: RefCell<Rc<BTreeMap<Rc<str>, Rc<Command>>>>,
    pub(crate) aliases: RefCell<Rc<BTreeMap<String, String>>>,
    /// Those being used.
    pub(crate) aliased: RefCell<Vec<String>>,
    pub(crate) options: Cell<Options>,
    /// `$1` and on.
    pub(crate) args: RefCell<Rc<Vec<String>>>,
    /// `$0`.
    pub(crate) name: RefCell<Rc<str>>,
    pub(crate) cwd: RefCell<PathBuf>,
    pub(crate) status: Cell<u8>,
    /// Of the last command substitution: what an assignment alone comes to.
    pub(crate) substituted: Cell<u8>,
    pub(crate) traps: RefCell<BTreeMap<&'static str, String>>,
    pub(crate) jobs: RefCell<Jobs>,
    pub(crate) fds: RefCell<Fds>,
    pub(crate) depth: Cell<usize>,
    pub(crate) loops: Cell<u32>,
    pub(crate) functions_entered: Cell<u32>,
    /// How many conditions are being evaluated, in which `set -e` does not count.
    pub(crate) conditions: Cell<u32>,
    pub(crate) subshell: bool,
    pub(crate) steps: Cell<u32>,
    pub(crate) getopts: Cell<(usize, usize)>,
}

/// A handle on a shell; clones are the same shell.
#[derive(Debug, Clone)]
pub(crate) struct Shell(Rc<State>);

impl std::ops::Deref for Shell {
    type Target = State;
    fn deref(&self) -> &State {
        &self.0
    }
}

impl Shell {
    /// A fresh shell with its home as its directory.
    pub(crate) fn new(home: &Path, fds: Fds) -> Self {
        let common = Common {
            home: home.to_owned(),
            interactive: Cell::new(false),
            started: crate::clock::now(),
            next_pid: Cell::new(100),
            history: RefCell::default(),
            tasks: Cell::new(0),
        };
        Self::with_common(Rc::new(common), fds)
    }

    /// A fresh shell where another was.
    pub(crate) fn with_common(common: Rc<Common>, fds: Fds) -> Self {
        let cwd = common.home.clone();
        let vars = Vars::initial(&cwd.to_string_lossy());
        Self(Rc::new(State {
            common,
            vars: RefCell::new(vars),
            functions: RefCell::default(),
            aliases: RefCell::default(),
            aliased: RefCell::default(),
            options: Cell::default(),
            args: RefCell::default(),
            name: RefCell::new("sh".into()),
            cwd: RefCell::new(cwd),
            status: Cell::new(0),
            substituted: Cell::new(0),
            traps: RefCell::default(),
            jobs: RefCell::default(),
            fds: RefCell::new(fds),
            depth: Cell::new(0),
            loops: Cell::new(0),
            functions_entered: Cell::new(0),
            conditions: Cell::new(0),
            subshell: false,
            steps: Cell::new(0),
            getopts: Cell::new((1, 0)),
        }))
    }

    /// A copy with these streams: a subshell, a pipeline stage, a background job.
    pub(crate) fn fork(&self, fds: Fds) -> Self {
        Self(Rc::new(State {
            common: self.common.clone(),
            vars: self.vars.clone(),
            functions: self.functions.clone(),
            aliases: self.aliases.clone(),
            aliased: self.aliased.clone(),
            options: self.options.clone(),
            args: self.args.clone(),
            name: self.name.clone(),
            cwd: self.cwd.clone(),
            status: self.status.clone(),
            substituted: Cell::new(0),
            traps: RefCell::default(),
            jobs: RefCell::new(self.jobs.borrow().in_subshell()),
            fds: RefCell::new(fds),
            depth: self.depth.clone(),
            loops: Cell::new(0),
            functions_entered: self.functions_entered.clone(),
            conditions: self.conditions.clone(),
            subshell: true,
            steps: Cell::new(0),
            getopts: self.getopts.clone(),
        }))
    }

    /// Leaves of a fork what a new program would inherit.
    pub(crate) fn forget_private(&self) {
        self.vars.borrow_mut().keep_exported();
        self.functions.take();
        self.aliases.take();
        self.options.take();
        self.functions_entered.set(0);
        self.conditions.set(0);
        self.getopts.set((1, 0));
    }

    pub(crate) fn fds(&self) -> Fds {
        self.fds.borrow().clone()
    }

    pub(crate) fn cwd(&self) -> PathBuf {
        self.cwd.borrow().clone()
    }

    pub(crate) fn option(&self, which: Options) -> bool {
        self.options.get().has(which)
    }

    /// Writes to standard output, for a built-in.
    pub(crate) async fn put(&self, bytes: impl AsRef<[u8]>) -> Result<(), Jump> {
        let writer = self.fds.borrow().writer(1);
        let Some(writer) = writer else {
            self.complain("write error: Bad file descriptor").await;
            return Err(Jump::Failed(1));
        };
        match writer.write_all(bytes).await {
            Ok(()) => Ok(()),
            // The built-in runs in the shell, so that is whom the signal would end.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Jump::Exit(141)),
            Err(error) => {
                self.complain(&format!("write error: {}", crate::utils::describe(&error))).await;
                Err(Jump::Failed(1))
            }
        }
    }

    /// Writes `sh: text` to standard error. That it cannot be written is no one's to know.
    pub(crate) async fn complain(&self, text: &str) {
        let name = self.name.borrow().clone();
        self.error_line(&format!("{name}: {text}\n")).await;
    }

    /// Writes to standard error.
    pub(crate) async fn error_line(&self, text: &str) {
        let writer = self.fds.borrow().writer(2);
        if let Some(writer) = writer {
            let _ = writer.write_all(text).await;
        }
    }

    /// Gives way every few commands: other stages run, and Ctrl-C arrives.
    pub(crate) async fn step(&self) {
        /// Few enough that a slow command between two is the longest wait.
        const STEPS: u32 = 8;
        let steps = self.steps.get() + 1;
        self.steps.set(steps % STEPS);
        if steps == STEPS {
            agent::yield_now().await;
        }
    }

    /// The next number that stands for a process.
    pub(crate) fn new_pid(&self) -> u32 {
        let pid = self.common.next_pid.get();
        self.common.next_pid.set(pid.wrapping_add(1).max(100));
        pid
    }
}

/// Counts a cell up, and down again when dropped.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a Cell<u32>);

impl<'a> Counted<'a> {
    pub(crate) fn new(cell: &'a Cell<u32>) -> Self {
        cell.set(cell.get() + 1);
        Self(cell)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
