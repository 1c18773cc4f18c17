//! Whole agents on the fake host.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use agent::testing::FakeHost;
use agent::types::{
    Completion, Failure, FailureCode, Level, Next, Operation, Outcome, Output, Refusal, RefusalCode,
    ResumeCause, StopReason,
};
use agent::{Either, Error, Event, Start};

type Done = Result<(), Error>;

fn refusal() -> Refusal {
    Refusal { code: RefusalCode::NotGranted, reason: "no network".to_owned() }
}

#[test]
fn sleeps_complete_in_virtual_time_order() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        for seconds in [3, 1, 2] {
            agent::spawn(async move {
                agent::sleep(Duration::from_secs(seconds)).await.unwrap();
                agent::print!("{seconds}");
            })
            .detach();
        }
        Done::Ok(())
    });
    assert_eq!(host.text(), "");
    host.advance(Duration::from_millis(1_999));
    assert_eq!(host.text(), "1");
    host.settle();
    assert_eq!(host.text(), "123");
    assert_eq!(host.elapsed(), Duration::from_secs(3));
    assert!(host.pending().is_empty());
}

#[test]
fn a_dropped_operation_is_cancelled_once_and_its_late_completion_ignored() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        let nap = agent::sleep(Duration::from_secs(9)).submit();
        let id = nap.id().unwrap();
        match agent::select(nap, agent::next_input()).await {
            Either::Second(bytes) => agent::print!("{id} {bytes:?}"),
            Either::First(_) => agent::print!("slept"),
        }
        Done::Ok(())
    });
    host.input("x");
    assert_eq!(host.text(), "1 [120]");
    assert_eq!(host.cancelled(), [1]);
    host.deliver(agent::types::Event::Completed(Completion { op: 1, outcome: Outcome::Done(Output::Slept) }));
    assert_eq!(host.text(), "1 [120]");
}

#[test]
fn every_way_an_operation_ends_is_its_own_error() {
    let failure = Failure { code: FailureCode::Timeout, reason: "slow".to_owned(), retryable: true };
    let cases = [
        (Outcome::Failed(failure.clone()), Error::Failed(failure)),
        (Outcome::Cancelled("forked".to_owned()), Error::Cancelled("forked".to_owned())),
        (Outcome::OutcomeUnknown("lost".to_owned()), Error::OutcomeUnknown("lost".to_owned())),
    ];
    for (outcome, expected) in cases {
        let seen = Rc::new(RefCell::new(None));
        let mut host = FakeHost::new();
        let out = seen.clone();
        host.start(move |_| async move {
            *out.borrow_mut() = Some(agent::fetch(agent::Request::get("https://example.com")).await);
            Done::Ok(())
        });
        host.complete(1, outcome);
        assert_eq!(seen.borrow_mut().take(), Some(Err(expected)));
    }
}

#[test]
fn a_refused_operation_says_why_and_the_agent_goes_on() {
    let mut host = FakeHost::new();
    host.refuse_operations(Some(refusal()));
    host.start(|_| async {
        let error = agent::tool("search", "{}").await.unwrap_err();
        agent::print!("{error}");
        Done::Ok(())
    });
    assert_eq!(host.text(), "refused: no network");
    assert!(host.operations().is_empty());
    assert!(host.faults().is_empty());
}

#[test]
fn an_answer_of_another_kind_is_an_error_and_not_a_trap() {
    let mut host = FakeHost::new();
    host.start(|_| async { agent::chat("m", "{}").await.map(drop) });
    host.complete(1, Outcome::Done(Output::Slept));
    assert!(host.faults()[0].contains("another kind"), "{:?}", host.faults());
}

#[test]
fn a_chat_streams_its_parts_and_then_its_whole() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        let mut reply = agent::chat("small", r#"{"messages":[]}"#);
        while let Some(part) = reply.progress().await {
            agent::print!("[{}]", String::from_utf8_lossy(&part));
        }
        agent::print!("={}", reply.await?);
        Done::Ok(())
    });
    host.progress(1, "he");
    host.progress(1, "llo");
    assert_eq!(host.text(), "[he][llo]");
    host.complete(1, Outcome::Done(Output::Chatted("hello".to_owned())));
    assert_eq!(host.text(), "[he][llo]=hello");
    assert!(matches!(&host.operations()[0].1, Operation::Chat(chat) if chat.streamed));
}

#[test]
fn unread_parts_are_bounded_and_the_newest_kept() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        let mut reply = agent::chat("small", "{}").submit();
        agent::next_input().await;
        let mut parts = 0;
        let mut last = Vec::new();
        while let Some(part) = reply.progress().await {
            parts += 1;
            last = part;
        }
        agent::print!("{parts} {}", String::from_utf8_lossy(&last));
        Done::Ok(())
    });
    for part in 0..agent::MAX_QUEUED_PARTS + 10 {
        host.progress(1, part.to_string());
    }
    host.complete(1, Outcome::Done(Output::Chatted(String::new())));
    host.input("x");
    assert_eq!(host.text(), format!("{} {}", agent::MAX_QUEUED_PARTS, agent::MAX_QUEUED_PARTS + 9));
}

#[test]
fn a_loop_that_yields_answers_again_and_sees_input() {
    let mut host = FakeHost::new();
    host.set_turns(0);
    let first = host.start(|_| async {
        let stop = Rc::new(Cell::new(false));
        let seen = stop.clone();
        agent::spawn(async move {
            agent::next_input().await;
            seen.set(true);
        })
        .detach();
        let mut turns = 0_u64;
        while !stop.get() {
            turns += 1;
            agent::yield_now().await;
        }
        agent::print!("{}", turns > 1_000);
        Done::Ok(())
    });
    assert_eq!(first, Next::Again);
    assert_eq!(host.run(), Next::Again);
    assert_eq!(host.input("\x03"), Next::Idle);
    assert_eq!(host.text(), "true");
}

#[test]
fn yielding_lets_others_go_first() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        for name in ["a", "b"] {
            agent::spawn(async move {
                for _ in 0..3 {
                    agent::print!("{name}");
                    agent::yield_now().await;
                }
            })
            .detach();
        }
        Done::Ok(())
    });
    assert_eq!(host.text(), "ababab");
}

#[test]
fn tasks_give_their_output_or_say_that_they_were_aborted() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        assert_eq!(agent::spawn(async { 7 }).await, Ok(7));

        let forever = agent::spawn(agent::sleep(Duration::from_secs(60)));
        agent::yield_now().await;
        assert!(!forever.is_finished());
        forever.abort();
        assert!(forever.is_finished());
        assert!(forever.await.is_err());

        let finished = agent::spawn(async { "kept" });
        agent::yield_now().await;
        finished.abort();
        assert_eq!(finished.try_take(), Some(Ok("kept")));
        assert_eq!(finished.try_take(), None);
        agent::print!("ok");
        Done::Ok(())
    });
    assert_eq!(host.text(), "ok");
    assert_eq!(host.cancelled(), [1], "the aborted task's sleep");
}

#[test]
fn a_task_that_aborts_itself_ends_at_its_next_await() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        let own: Rc<RefCell<Option<agent::Task<()>>>> = Rc::default();
        let handle = own.clone();
        let task = agent::spawn(async move {
            if let Some(task) = &*handle.borrow() {
                task.abort();
            }
            agent::print!("still here ");
            agent::yield_now().await;
            agent::print!("never");
        });
        *own.borrow_mut() = Some(task);
        agent::yield_now().await;
        agent::yield_now().await;
        agent::print!("{}", own.borrow().as_ref().unwrap().is_finished());
        Done::Ok(())
    });
    assert_eq!(host.text(), "still here true");
}

#[test]
fn a_reused_slot_is_not_reached_by_its_former_task() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        let old = agent::spawn(async {});
        agent::yield_now().await;
        let new = agent::spawn(async {
            agent::yield_now().await;
            "lives"
        });
        old.abort();
        agent::print!("{}", new.await.unwrap());
        Done::Ok(())
    });
    assert_eq!(host.text(), "lives");
}

#[test]
fn join_waits_for_both() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        let (a, b) = agent::join(agent::sleep(Duration::from_secs(2)), agent::next_input()).await;
        a?;
        agent::print!("{b:?}");
        Done::Ok(())
    });
    host.settle();
    assert_eq!(host.text(), "");
    host.input("q");
    assert_eq!(host.text(), "[113]");
}

#[test]
fn events_wait_in_order_until_someone_listens() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        agent::sleep(Duration::from_secs(1)).await?;
        loop {
            match agent::next_event().await {
                Event::Input(bytes) => agent::print!("input {} ", bytes.len()),
                Event::Resize(size) => agent::print!("{}x{} ", size.cols, size.rows),
                Event::Message(message) => agent::print!("message {} ", message.body.len()),
                Event::Resume(resume) => agent::print!("away {} ", resume.away_ms),
                Event::Stop(stop) => agent::print!("{:?} ", stop.reason),
            }
        }
        #[allow(unreachable_code, reason = "the loop has no end, but the closure needs a type")]
        Done::Ok(())
    });
    host.input("abc");
    host.resize(100, 30);
    host.message("text/plain", "hello");
    host.resize(90, 20);
    host.resume(ResumeCause::Suspend, Duration::from_millis(7));
    host.stop(StopReason::HostDrain);
    host.settle();
    assert_eq!(host.text(), "input 3 message 5 90x20 away 7 StopReason::HostDrain ");
}

#[test]
fn next_input_leaves_other_events_for_their_listener() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        let bytes = agent::next_input().await;
        let message = agent::next_message().await;
        agent::print!("{} {}", bytes.len(), message.body.len());
        Done::Ok(())
    });
    host.message("text/plain", "four");
    host.resize(10, 10);
    host.input("xx");
    assert_eq!(host.text(), "2 4");
}

/// Counts the input an agent gets that listens only after its first sleep.
fn late_reader(host: &mut FakeHost) {
    host.start(|_| async {
        agent::sleep(Duration::from_secs(1)).await?;
        loop {
            let bytes = agent::next_input().await;
            agent::print!("<{}{}>", bytes.len(), if bytes.contains(&3) { " interrupt" } else { "" });
        }
        #[allow(unreachable_code, reason = "the loop has no end, but the closure needs a type")]
        Done::Ok(())
    });
}

#[test]
fn input_beyond_the_bound_is_dropped_with_a_bell() {
    let mut host = FakeHost::new();
    late_reader(&mut host);
    host.input(vec![b'x'; agent::MAX_QUEUED_INPUT - 1]);
    assert_eq!(host.text(), "");
    host.input("yz");
    assert_eq!(host.text(), "\x07");
    host.settle();
    assert_eq!(host.text(), format!("\x07<{}><1>", agent::MAX_QUEUED_INPUT - 1));
}

#[test]
fn an_interrupt_is_kept_when_the_input_queue_is_full() {
    let mut host = FakeHost::new();
    late_reader(&mut host);
    host.input(vec![b'x'; agent::MAX_QUEUED_INPUT]);
    host.input("\x03");
    host.settle();
    assert_eq!(host.text(), "\x07<1 interrupt>");
}

#[test]
fn messages_beyond_the_bound_are_dropped_and_logged() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        agent::next_input().await;
        let mut count = 0;
        while let Either::First(_) = agent::select(agent::next_message(), std::future::ready(())).await {
            count += 1;
        }
        agent::print!("{count}");
        Done::Ok(())
    });
    for _ in 0..=agent::MAX_QUEUED_MESSAGES {
        host.message("text/plain", "m");
    }
    assert_eq!(host.log().len(), 1);
    assert_eq!(host.log()[0].level, Level::Warn);
    host.input("x");
    assert_eq!(host.text(), agent::MAX_QUEUED_MESSAGES.to_string());
}

#[test]
fn the_main_function_decides_the_answer_to_start() {
    let mut host = FakeHost::new();
    host.start_with(r#"{"a":1}"#, |start: Start| async move {
        Err::<(), String>(format!("bad {}", start.config))
    });
    assert_eq!(host.faults(), [r#"bad {"a":1}"#]);
    drop(host);

    let mut host = FakeHost::new();
    host.start(|_| async { Done::Ok(()) });
    assert!(host.faults().is_empty());
    assert!(host.log()[0].message.contains("main returned"), "{:?}", host.log());
}

#[test]
fn long_writes_are_split_and_a_refusal_comes_back() {
    let mut host = FakeHost::new();
    host.start(|_| async {
        agent::terminal::write(vec![b'.'; agent::terminal::MAX_WRITE * 2 + 1]).unwrap();
        agent::next_input().await;
        let refused = agent::terminal::write("x").unwrap_err();
        agent::println!("lost");
        Err::<(), String>(refused.reason)
    });
    assert_eq!(host.output().len(), agent::terminal::MAX_WRITE * 2 + 1);
    host.refuse_writes(Some(refusal()));
    host.input("x");
    assert_eq!(host.faults(), ["no network"]);
}

#[test]
fn print_ends_lines_as_a_raw_terminal_needs() {
    let host = FakeHost::new();
    agent::print!("a\nb\r\n{}", "c");
    agent::println!();
    agent::println!("{}\n", 1);
    assert_eq!(host.text(), "a\r\nb\r\nc\r\n1\r\n\r\n");
}

#[test]
fn log_entries_carry_levels_and_fields() {
    let host = FakeHost::new();
    let path = "/work/a";
    agent::log::error!("plain {}", 1);
    agent::log::debug!(path; "one");
    agent::log::trace!(path, bytes = 2 + 3; "two {path}");
    let log = host.log();
    assert_eq!((log[0].level, log[0].message.as_str(), log[0].fields.len()), (Level::Error, "plain 1", 0));
    assert_eq!(log[1].fields, [("path".to_owned(), "/work/a".to_owned())]);
    assert_eq!(log[2].message, "two /work/a");
    assert_eq!(log[2].fields[1], ("bytes".to_owned(), "5".to_owned()));
}

#[test]
fn interrupted_asks_the_host() {
    let mut host = FakeHost::new();
    assert!(!agent::interrupted());
    host.interrupt_after(2);
    assert_eq!([agent::interrupted(), agent::interrupted(), agent::interrupted()], [false, false, true]);
    host.set_interrupted(false);
    assert!(!agent::interrupted());
}

#[test]
fn nothing_of_an_agent_outlives_its_host() {
    let mut host = FakeHost::new();
    host.start(|_| async { agent::sleep(Duration::from_secs(1)).await });
    host.input("left over");
    drop(host);
    let mut host = FakeHost::new();
    host.start(|_| async {
        agent::next_input().await;
        Done::Ok(())
    });
    assert!(host.log().is_empty(), "the former agent's input was not read: {:?}", host.log());
}

#[test]
fn the_readme_counts_down() {
    async fn countdown(start: Start) -> Result<(), Error> {
        for left in (1..=3).rev() {
            agent::println!("{left}");
            agent::sleep(Duration::from_secs(1)).await?;
        }
        agent::log::info!(agent = start.name; "lift-off");
        Ok(())
    }
    let mut host = FakeHost::new();
    host.start(countdown);
    host.settle();
    assert_eq!(host.text(), "3\r\n2\r\n1\r\n");
    assert_eq!(host.elapsed(), Duration::from_secs(3));
}
