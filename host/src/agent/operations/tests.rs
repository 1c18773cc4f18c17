use checkpoint::manifest;
use wire::host::ResumeCause;

use super::*;
use crate::agent::{mailbox::Item, state::tests::shared};

fn fetch(url: &str) -> wit::Operation {
    wit::Operation::Fetch(wit::Fetch {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: vec![],
        body: vec![],
        timeout_ms: None,
        secret: None,
        retryable: false,
    })
}

#[tokio::test(start_paused = true)]
async fn a_sleep_completes_once() {
    let agent = shared();
    let mut operations = Operations::new(Grants::default(), Outbox::default());
    let op = operations.submit(&agent, wit::Operation::Sleep(1000)).unwrap();
    let Some(Item::Completed(completion)) = agent.mailbox.next().await else { panic!("no completion") };
    assert_eq!(completion.op, op);
    assert!(matches!(completion.outcome, wit::Outcome::Done(wit::Output::Slept)));
    // Cancelled after it completed: the second completion is not delivered.
    operations.cancel(&agent, op);
    assert!(operations.completed(op));
    assert!(!operations.completed(op));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_sleep_completes_as_cancelled() {
    let agent = shared();
    let mut operations = Operations::new(Grants::default(), Outbox::default());
    let op = operations.submit(&agent, wit::Operation::Sleep(1000)).unwrap();
    operations.cancel(&agent, op);
    // Again and again: one completion.
    operations.cancel(&agent, op);
    let Some(Item::Completed(completion)) = agent.mailbox.next().await else { panic!("no completion") };
    assert!(matches!(completion.outcome, wit::Outcome::Cancelled(_)));
    agent.mailbox.turn();
    assert!(matches!(agent.mailbox.next().await, Some(Item::Turn)));
}

#[tokio::test]
async fn what_is_not_granted_is_refused_with_a_reason() {
    let agent = shared();
    let mut operations = Operations::new(Grants::default(), Outbox::default());
    let refused = operations.submit(&agent, fetch("https://example.com/x?secret")).unwrap_err();
    assert!(matches!(refused.code, wit::RefusalCode::NotGranted));
    let reason = refused.reason;
    assert!(reason.contains("example.com") && !reason.contains("secret"), "{reason}");
    let refused = operations.submit(&agent, fetch("nonsense")).unwrap_err();
    assert!(matches!(refused.code, wit::RefusalCode::Invalid));
    let refused = operations.submit(&agent, fetch("https://user:pw@example.com/")).unwrap_err();
    assert!(matches!(refused.code, wit::RefusalCode::Invalid) && !refused.reason.contains("pw"));
}

fn to(id: AgentId) -> wit::Operation {
    let body = b"hi".to_vec();
    wit::Operation::Send(wit::MessageOut { to: id.to_string(), content_type: "text/plain".to_owned(), body })
}

#[tokio::test]
async fn a_message_is_held_and_a_fork_does_not_send_it() {
    let (agent, friend) = (shared(), AgentId::new());
    let mut operations = Operations::new(
        Grants { send_to: vec![Recipient::Agent(friend)], ..Grants::default() },
        Outbox::default(),
    );
    assert!(operations.submit(&agent, to(AgentId::new())).is_err(), "not granted");
    let op = operations.submit(&agent, to(friend)).unwrap();
    assert!(operations.holds());
    let kept = operations.capture();
    operations.release(&agent, op, false);
    assert!(!operations.holds());
    let fork = shared();
    let mut forked = Operations::new(Grants::default(), Outbox::default());
    forked.restore(&fork, kept, ResumeCause::Fork, |_| false);
    let Some(Item::Completed(completion)) = fork.mailbox.next().await else { panic!("no completion") };
    assert!(matches!(completion.outcome, wit::Outcome::Cancelled(why) if why == "forked"));
    assert!(completion.op == op && !forked.holds());
}

#[tokio::test(start_paused = true)]
async fn a_timer_goes_on_in_another_life() {
    let (agent, next) = (shared(), shared());
    let mut operations = Operations::new(Grants::default(), Outbox::default());
    let op = operations.submit(&agent, wit::Operation::Sleep(60_000)).unwrap();
    let kept = operations.capture();
    drop(operations);
    let mut operations = Operations::new(Grants::default(), Outbox::default());
    operations.restore(&next, kept, ResumeCause::Suspend, |_| false);
    assert!(operations.first_due_ms().is_some());
    let Some(Item::Completed(completion)) = next.mailbox.next().await else { panic!("no completion") };
    assert_eq!(completion.op, op);
    assert_eq!(operations.submit(&next, wit::Operation::Sleep(1)).unwrap(), op + 1);
}

#[tokio::test]
async fn timers_that_ended_meanwhile_come_in_their_order() {
    let agent = shared();
    let pending = |op, due_ms| manifest::Pending { op, work: manifest::Work::Sleep { due_ms } };
    let due = [9, 3, 7, 1, 5];
    let kept =
        manifest::Operations { last: 5, pending: (1..).zip(due).map(|(op, at)| pending(op, at)).collect() };
    let mut operations = Operations::new(Grants::default(), Outbox::default());
    operations.restore(&agent, kept, ResumeCause::Suspend, |_| false);
    for expected in [4, 2, 5, 3, 1] {
        let Some(Item::Completed(completion)) = agent.mailbox.next().await else { panic!("no completion") };
        assert_eq!(completion.op, expected);
        assert!(operations.completed(expected) && !operations.completed(expected));
    }
}

#[tokio::test]
async fn operations_in_flight_are_bounded() {
    let agent = shared();
    let mut operations = Operations::new(Grants::default(), Outbox::default());
    for _ in 0..MAX_OPERATIONS {
        operations.submit(&agent, wit::Operation::Sleep(60_000)).unwrap();
    }
    let refused = operations.submit(&agent, wit::Operation::Sleep(1)).unwrap_err();
    assert!(matches!(refused.code, wit::RefusalCode::LimitExceeded));
}

fn post(url: &str) -> wit::Operation {
    let wit::Operation::Fetch(get) = fetch(url) else { panic!() };
    wit::Operation::Fetch(wit::Fetch { method: "POST".to_owned(), body: b"1".to_vec(), ..get })
}

fn with_egress() -> Operations {
    let rule = "GET,POST@https://api.example.com".parse().unwrap();
    let grants = Grants { egress: [rule].into(), ..Grants::default() };
    Operations::new(grants, Outbox::default())
}

async fn completion(agent: &Shared) -> wit::Completion {
    match agent.mailbox.next().await {
        Some(Item::Completed(completion)) => completion,
        other => panic!("{other:?}"),
    }
}

fn work_of(operations: &Operations, op: u64) -> manifest::Work {
    operations.capture().pending.into_iter().find(|pending| pending.op == op).unwrap().work
}

#[tokio::test]
async fn a_request_that_may_be_made_again_leaves_at_once_and_again_in_another_life() {
    let (agent, mut operations) = (shared(), with_egress());
    let op = operations.submit(&agent, fetch("https://api.example.com/")).unwrap();
    assert!(!operations.holds() && agent.is_asking());
    let kept = operations.capture();
    assert!(matches!(kept.pending[0].work, manifest::Work::Fetch(_)));
    // There is no way out in this test, and that is what its answer says.
    assert!(matches!(completion(&agent).await.outcome, wit::Outcome::Failed(_)));
    assert!(operations.completed(op) && !agent.is_asking());
    for cause in [ResumeCause::Suspend, ResumeCause::Rollback, ResumeCause::Fork, ResumeCause::Restore] {
        let (next, mut life) = (shared(), with_egress());
        life.restore(&next, kept.clone(), cause, |_| false);
        assert_eq!(completion(&next).await.op, op, "{cause:?}");
    }
}

#[tokio::test]
async fn a_request_that_may_not_be_made_again_waits_for_a_checkpoint_and_leaves_once() {
    let (agent, mut operations) = (shared(), with_egress());
    let op = operations.submit(&agent, post("https://api.example.com/")).unwrap();
    assert!(operations.holds() && !agent.is_asking());
    let before = operations.capture();
    assert!(!operations.release(&agent, op, true) && operations.holds_requests(), "whoever goes on makes it");
    assert!(operations.release(&agent, op, false));
    let left = operations.capture();
    assert!(matches!(work_of(&operations, op), manifest::Work::Left { .. }) && !operations.holds());
    let due = operations.first_due_ms().unwrap();
    assert!(due > now_ms(), "a suspended agent wakes when no answer came");
    let life = |kept: &manifest::Operations, cause| {
        let (next, mut life) = (shared(), with_egress());
        life.restore(&next, kept.clone(), cause, |_| false);
        (next, life)
    };
    // Planned stops know what had left.
    let (_, moved) = life(&before, ResumeCause::Migrate);
    assert!(matches!(moved.running[&op], State::Out { .. }), "{moved:?}");
    for cause in [ResumeCause::Suspend, ResumeCause::Migrate] {
        let (_, awaits) = life(&left, cause);
        assert!(
            matches!(awaits.running[&op], State::Awaited { until_ms, .. } if until_ms == due),
            "{awaits:?}"
        );
    }
    for kept in [&before, &left] {
        // A lost host's may have left: its outcome is asked of the inbox, where what is known comes first.
        let (_, lost) = life(kept, ResumeCause::Rollback);
        assert!(matches!(lost.running[&op], State::Out { .. }), "{lost:?}");
        let (fork, _forked) = life(kept, ResumeCause::Fork);
        let outcome = completion(&fork).await.outcome;
        assert!(matches!(&outcome, wit::Outcome::Cancelled(why) if why == "forked"), "{outcome:?}");
        let (restored, _) = life(kept, ResumeCause::Restore);
        let outcome = completion(&restored).await.outcome;
        assert!(matches!(outcome, wit::Outcome::OutcomeUnknown(_)), "{outcome:?}");
    }
}

#[tokio::test]
async fn requests_in_flight_are_bounded_until_their_answers_are_delivered() {
    let (agent, mut operations) = (shared(), with_egress());
    for n in 0..MAX_REQUESTS {
        let url = "https://api.example.com/";
        let operation = if n % 2 == 0 { fetch(url) } else { post(url) };
        operations.submit(&agent, operation).unwrap();
    }
    let refused = operations.submit(&agent, fetch("https://api.example.com/")).unwrap_err();
    assert!(matches!(refused.code, wit::RefusalCode::LimitExceeded), "{refused:?}");
    assert!(operations.completed(completion(&agent).await.op));
    assert!(operations.submit(&agent, fetch("https://api.example.com/")).is_ok());
    let wit::Operation::Fetch(plain) = fetch("https://api.example.com/") else { panic!() };
    let secret = wit::Operation::Fetch(wit::Fetch { secret: Some("key".to_owned()), ..plain });
    let refused = operations.submit(&agent, secret).unwrap_err();
    assert!(matches!(refused.code, wit::RefusalCode::LimitExceeded | wit::RefusalCode::NotGranted));
}
