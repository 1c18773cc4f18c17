//! Messages, operations and webhooks.

use std::sync::Arc;

use api::{
    domain::agent::{Agent, Patch},
    store::{Delivered, HookCreated, Idempotency, LATE, MAX_HOOKS, Operation, Sent, Store},
};
use wire::{
    AgentId, MessageId,
    agent::{Status, StatusReason},
    checkpoint::{CheckpointKind, Lineage},
    egress::MAX_BODY_BYTES,
    host::{ResumeCause, Then},
    message::{
        Delivered as What, Delivery, FailureCode, Header, MAX_INBOX, MAX_INBOX_BYTES, MAX_MESSAGE_BYTES,
        Message, Outcome, Sender,
    },
};

use crate::fixture::{
    at_once, change, commit, host, insert, later, new_agent, now, running, spawn, start, taken, tenant, to,
};

fn message(body: &[u8]) -> Message {
    Message {
        id: MessageId::new(),
        sender: Sender::Webhook { name: "it's \"one\"".to_owned() },
        content_type: "text/plain; charset=utf-8".to_owned(),
        body: body.to_vec(),
        sent_at: now(),
    }
}

/// Delivers what must be taken; its number.
async fn deliver(store: &Arc<dyn Store>, agent: AgentId, message: Message) -> u64 {
    match store.deliver(agent, message, None).await.unwrap() {
        Delivered::New { seq } => seq,
        other => panic!("{other:?}"),
    }
}

/// Delivers a message of these bytes; its number.
pub(crate) async fn deliver_bytes(store: &Arc<dyn Store>, agent: AgentId, body: &[u8]) -> u64 {
    deliver(store, agent, message(body)).await
}

async fn seqs(store: &Arc<dyn Store>, agent: AgentId, after: u64) -> Vec<u64> {
    store.inbox(agent, after, 5000).await.unwrap().into_iter().map(|entry| entry.seq).collect()
}

async fn has_mail(store: &Arc<dyn Store>, agent: AgentId) -> bool {
    store.with_mail(None, 100).await.unwrap().iter().any(|row| row.id == agent)
}

/// A commit that covers the inbox up to `inbox`.
async fn cover(store: &Arc<dyn Store>, host: &api::domain::host::Host, agent: AgentId, inbox: u64) -> Agent {
    let row = store.agent(agent).await.unwrap().unwrap();
    let taken = wire::host::Taken { inbox, ..taken(&row) };
    commit(store, host, &row, Some(taken), Then::Run {}).await
}

pub(crate) async fn messages_read_back_in_their_order(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let (agent, other) = (spawn(store, tenant).await.id, spawn(store, tenant).await.id);
    let messages = [message(b""), message(&[0, 255, 10]), message(b"three")];
    let mut expected = Vec::new();
    for (seq, message) in (1..).zip(messages) {
        assert_eq!(deliver(store, agent, message.clone()).await, seq);
        expected.push(Delivery { seq, what: What::Message { message } });
    }
    assert_eq!(deliver(store, other, message(b"x")).await, 1);
    assert_eq!(store.inbox(agent, 0, 10).await.unwrap(), expected);
    assert_eq!(store.inbox(agent, 1, 1).await.unwrap(), expected[1..2]);
    assert!(store.inbox(agent, 3, 10).await.unwrap().is_empty());
    assert!(store.inbox(agent, u64::MAX, 10).await.unwrap().is_empty());
    assert!(store.inbox(AgentId::new(), 0, 10).await.unwrap().is_empty());
}

pub(crate) async fn of_many_messages_each_has_a_number(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let agent = spawn(store, tenant).await.id;
    let mut got = at_once(32, |_| {
        let store = Arc::clone(store);
        async move { deliver(&store, agent, message(b"x")).await }
    })
    .await;
    got.sort_unstable();
    assert_eq!(got, (1..=32).collect::<Vec<_>>());
    assert_eq!(seqs(store, agent, 0).await, got);
}

pub(crate) async fn a_message_with_a_key_is_delivered_once(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let (agent, other) = (spawn(store, tenant).await.id, spawn(store, tenant).await.id);
    let key = |fingerprint, seconds| {
        let expires_at = later(seconds);
        Some(Idempotency { key: "k".to_owned(), fingerprint: [fingerprint; 32], expires_at })
    };
    let first = message(b"a");
    let send = async |agent, message, key| store.deliver(agent, message, key).await.unwrap();
    assert_eq!(send(agent, first.clone(), key(1, 100)).await, Delivered::New { seq: 1 });
    assert_eq!(send(agent, message(b"a"), key(1, 100)).await, Delivered::Replayed { message: first.id });
    assert_eq!(send(agent, message(b"b"), key(2, 100)).await, Delivered::KeyReused);
    assert_eq!(send(other, message(b"a"), key(2, 100)).await, Delivered::New { seq: 1 });
    assert_eq!(seqs(store, agent, 0).await, [1]);
    // Known also when its agent is over; forgotten in time, whether or not the sweeper was there.
    change(store, agent, to(Status::Failed)).await;
    assert_eq!(send(agent, message(b"a"), key(1, 100)).await, Delivered::Replayed { message: first.id });
    let late = Message { sent_at: later(100), ..message(b"b") };
    assert_eq!(send(other, late, key(3, 200)).await, Delivered::New { seq: 2 });
    assert_eq!(store.forget_expired(later(150), 10).await.unwrap(), 1);
    assert_eq!(send(agent, message(b"a"), key(1, 100)).await, Delivered::Ended);
    assert_eq!(send(AgentId::new(), message(b"a"), key(1, 100)).await, Delivered::Missing);
}

pub(crate) async fn an_inbox_has_bounds_for_what_waits(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let (many, large) = (running(store, tenant, &host).await, running(store, tenant, &host).await);
    for _ in 0..MAX_INBOX {
        deliver(store, many.id, message(b"")).await;
    }
    let body = vec![7; MAX_MESSAGE_BYTES];
    let fits = MAX_INBOX_BYTES / u64::try_from(MAX_MESSAGE_BYTES).unwrap();
    for _ in 0..fits {
        deliver(store, large.id, message(&body)).await;
    }
    for id in [many.id, large.id] {
        assert_eq!(store.deliver(id, message(b"x"), None).await.unwrap(), Delivered::Full);
    }
    // The result of an operation always has room.
    let operation = Operation { agent: many.id, epoch: 1, timeline: 1, op: 1 };
    let no = failed(false);
    assert_eq!(store.complete(operation, no.clone(), now()).await.unwrap(), Sent::Done(no));
    // What a checkpoint covers does not wait, though it is kept for the one before.
    cover(store, &host, many.id, 1).await;
    cover(store, &host, large.id, 2).await;
    assert_eq!(deliver(store, many.id, message(b"x")).await, u64::from(MAX_INBOX) + 2);
    assert_eq!(store.deliver(many.id, message(b"x"), None).await.unwrap(), Delivered::Full);
    for _ in 0..2 {
        deliver(store, large.id, message(&body)).await;
    }
    assert_eq!(store.deliver(large.id, message(b"x"), None).await.unwrap(), Delivered::Full);
    assert_eq!(seqs(store, large.id, 0).await.len() as u64, fits + 2);
}

pub(crate) async fn what_both_checkpoints_cover_leaves_the_inbox(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await.id;
    for _ in 0..5 {
        deliver(store, agent, message(b"x")).await;
    }
    assert!(has_mail(store, agent).await);
    // There is no second one yet: all of it runs again if this one cannot be read.
    cover(store, &host, agent, 2).await;
    assert_eq!(seqs(store, agent, 0).await, [1, 2, 3, 4, 5]);
    assert!(has_mail(store, agent).await);
    cover(store, &host, agent, 5).await;
    assert_eq!(seqs(store, agent, 0).await, [3, 4, 5]);
    assert!(!has_mail(store, agent).await);
    cover(store, &host, agent, 5).await;
    assert!(seqs(store, agent, 0).await.is_empty());
    assert_eq!(deliver(store, agent, message(b"x")).await, 6);
    assert!(has_mail(store, agent).await);
    // No host covers what is not there yet.
    let row = cover(store, &host, agent, u64::MAX).await;
    assert_eq!(store.checkpoint(row.checkpoint.unwrap().id).await.unwrap().unwrap().inbox, 6);
    assert_eq!(deliver(store, agent, message(b"x")).await, 7);
    assert!(has_mail(store, agent).await);
}

pub(crate) async fn a_fall_back_has_its_messages_again(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await.id;
    for _ in 0..4 {
        deliver(store, agent, message(b"x")).await;
    }
    let first = cover(store, &host, agent, 1).await;
    cover(store, &host, agent, 4).await;
    assert!(!has_mail(store, agent).await);
    let back = Patch { checkpoint: Some(first.checkpoint), previous: Some(None), ..Patch::default() };
    change(store, agent, back).await;
    assert_eq!(seqs(store, agent, 1).await, [2, 3, 4]);
    assert!(has_mail(store, agent).await);
    // From there on as ever; also when the host says it by its next checkpoint alone.
    cover(store, &host, agent, 2).await;
    assert_eq!(seqs(store, agent, 0).await, [2, 3, 4]);
    let second = store.agent(agent).await.unwrap().unwrap();
    cover(store, &host, agent, 4).await;
    let row = store.agent(agent).await.unwrap().unwrap();
    let goes_on = wire::host::Taken { inbox: 3, parent: second.checkpoint.map(|at| at.id), ..taken(&row) };
    commit(store, &host, &row, Some(goes_on), Then::Run {}).await;
    assert_eq!(seqs(store, agent, 0).await, [3, 4]);
    assert!(has_mail(store, agent).await);
}

pub(crate) async fn a_restore_does_not_have_them_again(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    deliver(store, agent.id, message(b"x")).await;
    let asked = wire::host::Taken { inbox: 1, kind: CheckpointKind::Requested, ..taken(&agent) };
    let goal = asked.checkpoint.clone();
    commit(store, &host, &agent, Some(asked), Then::Run {}).await;
    for _ in 0..3 {
        deliver(store, agent.id, message(b"x")).await;
    }
    cover(store, &host, agent.id, 3).await;
    // Number 4 was never in a checkpoint: it comes to the agent as it is then.
    let restore = Patch {
        checkpoint: Some(Some(goal)),
        previous: Some(None),
        timeline: Some(2),
        cause: Some(Some(ResumeCause::Restore)),
        ..to(Status::Resuming)
    };
    change(store, agent.id, restore).await;
    assert_eq!(seqs(store, agent.id, 1).await, [4]);
    assert!(has_mail(store, agent.id).await);
    start(store, agent.id, &host).await;
    cover(store, &host, agent.id, 1).await;
    assert_eq!(seqs(store, agent.id, 1).await, [4]);
    cover(store, &host, agent.id, 4).await;
    assert!(!has_mail(store, agent.id).await);
}

pub(crate) async fn a_forks_inbox_is_its_own(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let parent = running(store, tenant, &host).await;
    for _ in 0..3 {
        deliver(store, parent.id, message(b"x")).await;
    }
    let parent = cover(store, &host, parent.id, 2).await;
    let checkpoint = parent.checkpoint.unwrap();
    let child = Agent {
        parent: Some(Lineage { agent: parent.id, checkpoint: checkpoint.id }),
        checkpoint: Some(checkpoint),
        ..new_agent(tenant)
    };
    let child = insert(store, child).await.id;
    assert!(seqs(store, child, 0).await.is_empty() && !has_mail(store, child).await);
    // Its host reads on from where its checkpoint is, in the parent's numbers.
    assert_eq!(deliver(store, child, message(b"y")).await, 3);
    assert_eq!(seqs(store, child, 2).await, [3]);
    assert!(has_mail(store, child).await);
}

fn failed(retryable: bool) -> Outcome {
    Outcome::Failed { code: FailureCode::RefusedByPeer, reason: "no".to_owned(), retryable }
}

pub(crate) async fn what_a_host_did_ends_once_wherever_its_agent_is(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let operation = Operation { agent: agent.id, epoch: 1, timeline: 1, op: 4 };
    // It moved meanwhile.
    let to = Patch { status: Some(Status::Resuming), host: Some(None), ..Patch::default() };
    change(store, agent.id, to).await;
    let deadline = later(60);
    store.assign(agent.id, 1, host.id, deadline, now()).await.unwrap();
    let header = Header { name: "x".to_owned(), value: vec![0xFF, 0] };
    let body: Vec<u8> = (0..MAX_BODY_BYTES).map(|at| at.to_le_bytes()[0]).collect();
    let outcome = Outcome::Fetched { status: 201, headers: vec![header], body };
    let ahead = Operation { epoch: 3, ..operation };
    assert_eq!(store.complete(ahead, outcome.clone(), now()).await.unwrap(), Sent::Stale);
    let another = Operation { timeline: 2, ..operation };
    assert_eq!(store.complete(another, outcome.clone(), now()).await.unwrap(), Sent::Stale);
    assert!(matches!(store.complete(operation, outcome.clone(), now()).await.unwrap(), Sent::Done(_)));
    let unknown = Outcome::Unknown { reason: "lost".to_owned() };
    let now_there = Operation { epoch: 2, ..operation };
    let answer = store.complete(now_there, unknown, now()).await.unwrap();
    assert!(matches!(answer, Sent::Done(Outcome::Fetched { status: 201, .. })), "{answer:?}");
    let result = Delivery { seq: 1, what: What::Completion { timeline: 1, op: 4, outcome } };
    assert_eq!(store.inbox(agent.id, 0, 10).await.unwrap(), [result]);
}

pub(crate) async fn a_send_is_done_once(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let from = running(store, tenant, &host).await;
    let to = spawn(store, tenant).await.id;
    let operation = Operation { agent: from.id, epoch: 1, timeline: 1, op: 9 };
    let first = message(b"hello");
    let outcome = Outcome::Sent { message: first.id };
    let sent = at_once(8, |_| {
        let (store, first) = (Arc::clone(store), first.clone());
        async move { store.send(operation, to, first).await.unwrap() }
    })
    .await;
    assert!(sent.iter().all(|sent| *sent == Sent::Done(outcome.clone())));
    // Again with another id, or as a failure: it is what it was.
    assert_eq!(store.send(operation, to, message(b"hello")).await.unwrap(), Sent::Done(outcome.clone()));
    assert_eq!(store.complete(operation, failed(true), now()).await.unwrap(), Sent::Done(outcome.clone()));
    let got = store.inbox(to, 0, 10).await.unwrap();
    assert_eq!(got, [Delivery { seq: 1, what: What::Message { message: first } }]);
    let result = Delivery { seq: 1, what: What::Completion { timeline: 1, op: 9, outcome: outcome.clone() } };
    assert_eq!(store.inbox(from.id, 0, 10).await.unwrap(), [result]);
    // As long as a checkpoint is kept that does not have the result, however long that is; then for a day.
    cover(store, &host, from.id, 0).await;
    cover(store, &host, from.id, 1).await;
    assert_eq!(store.forget_expired(later(1_000_000), 10).await.unwrap(), 0);
    assert_eq!(store.send(operation, to, message(b"hello")).await.unwrap(), Sent::Done(outcome.clone()));
    cover(store, &host, from.id, 1).await;
    assert_eq!(store.forget_expired(later(1) + LATE, 10).await.unwrap(), 0);
    assert_eq!(store.send(operation, to, message(b"hello")).await.unwrap(), Sent::Done(outcome));
    assert_eq!(seqs(store, to, 0).await, [1]);
    assert_eq!(store.forget_expired(later(2) + LATE, 10).await.unwrap(), 1);
}

pub(crate) async fn a_send_of_another_placement_or_life_is_stale(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let from = running(store, tenant, &host).await;
    let target = spawn(store, tenant).await.id;
    let operation = Operation { agent: from.id, epoch: 1, timeline: 1, op: 1 };
    for operation in [
        Operation { epoch: 0, ..operation },
        Operation { epoch: 2, ..operation },
        Operation { timeline: 2, ..operation },
        Operation { agent: AgentId::new(), ..operation },
    ] {
        assert_eq!(store.send(operation, target, message(b"x")).await.unwrap(), Sent::Stale);
    }
    change(store, from.id, to(Status::Failed)).await;
    assert_eq!(store.send(operation, target, message(b"x")).await.unwrap(), Sent::Stale);
    assert!(seqs(store, target, 0).await.is_empty());
}

pub(crate) async fn a_send_that_cannot_be_done_says_so(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let from = running(store, tenant, &host).await.id;
    let (full, over) = (spawn(store, tenant).await.id, spawn(store, tenant).await.id);
    for _ in 0..MAX_INBOX {
        deliver(store, full, message(b"")).await;
    }
    change(store, over, to(Status::Failed)).await;
    for (op, to, again) in [(1, full, true), (2, over, false), (3, AgentId::new(), false)] {
        let operation = Operation { agent: from, epoch: 1, timeline: 1, op };
        let sent = store.send(operation, to, message(b"x")).await.unwrap();
        let Sent::Done(outcome) = sent else { panic!("{sent:?}") };
        let Outcome::Failed { retryable, .. } = &outcome else { panic!("{outcome:?}") };
        assert_eq!(*retryable, again);
        let what = What::Completion { timeline: 1, op, outcome };
        assert_eq!(store.inbox(from, op - 1, 10).await.unwrap(), [Delivery { seq: op, what }]);
    }
    // To itself it is a message and a result.
    let operation = Operation { agent: from, epoch: 1, timeline: 1, op: 4 };
    store.send(operation, from, message(b"me")).await.unwrap();
    assert_eq!(seqs(store, from, 3).await, [4, 5]);
}

pub(crate) async fn agents_with_mail_are_found_in_pages(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 100).await, host(store).await);
    let mut all = Vec::new();
    for number in 0..5 {
        let agent = insert(store, Agent { id: AgentId::from_u128(number), ..new_agent(tenant) }).await;
        deliver(store, agent.id, message(b"x")).await;
        all.push(agent.id);
    }
    start(store, all[1], &host).await;
    cover(store, &host, all[1], 1).await;
    change(store, all[3], to(Status::Failed)).await;
    let ids = async |after, limit| -> Vec<_> {
        store.with_mail(after, limit).await.unwrap().into_iter().map(|row| row.id).collect()
    };
    assert_eq!(ids(None, 10).await, [all[0], all[2], all[4]]);
    assert_eq!(ids(None, 2).await, [all[0], all[2]]);
    assert_eq!(ids(Some(all[2]), 2).await, [all[4]]);
    assert_eq!(store.with_mail(None, 1).await.unwrap(), [store.agent(all[0]).await.unwrap().unwrap()]);
}

pub(crate) async fn what_wakes_a_suspended_agent_is_seen(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let idle = Then::Suspend { reason: StatusReason::IdleTimeout, parked: false };
    deliver(store, agent.id, message(b"x")).await;
    // It came while its host was suspending it.
    commit(store, &host, &agent, Some(taken(&agent)), idle).await;
    let found = store.with_mail(None, 10).await.unwrap();
    assert_eq!((found[0].id, found[0].status), (agent.id, Status::Suspended));
}

pub(crate) async fn an_end_takes_inbox_and_webhooks_along(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await.id;
    deliver(store, agent, message(b"x")).await;
    let operation = Operation { agent, epoch: 1, timeline: 1, op: 1 };
    store.send(operation, agent, message(b"x")).await.unwrap();
    store.create_hook(agent, "ci".to_owned(), [1; 32], now()).await.unwrap();
    change(store, agent, to(Status::Failed)).await;
    assert!(store.inbox(agent, 0, 10).await.unwrap().is_empty() && !has_mail(store, agent).await);
    assert_eq!(store.deliver(agent, message(b"x"), None).await.unwrap(), Delivered::Ended);
    assert!(store.hooks(agent).await.unwrap().is_empty());
    assert_eq!(store.hook([1; 32]).await.unwrap(), None);
    let refused = store.create_hook(agent, "ci".to_owned(), [2; 32], now()).await.unwrap();
    assert_eq!(refused, HookCreated::Missing);
}

pub(crate) async fn a_webhook_is_found_by_its_secret(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let (agent, other) = (spawn(store, tenant).await.id, spawn(store, tenant).await.id);
    let create = async |agent, name: &str, hash: u8| {
        store.create_hook(agent, name.to_owned(), [hash; 32], later(1)).await.unwrap()
    };
    assert_eq!(create(agent, "b", 1).await, HookCreated::Done);
    assert_eq!(create(agent, "b", 2).await, HookCreated::Exists);
    assert_eq!(create(other, "b", 3).await, HookCreated::Done);
    assert_eq!(create(agent, "a", 4).await, HookCreated::Done);
    assert_eq!(create(AgentId::new(), "a", 5).await, HookCreated::Missing);
    let names = async || -> Vec<_> {
        let hooks = store.hooks(agent).await.unwrap();
        hooks.into_iter().map(|hook| (hook.name, hook.created_at)).collect()
    };
    assert_eq!(names().await, [("a".to_owned(), later(1)), ("b".to_owned(), later(1))]);
    assert_eq!(store.hook([1; 32]).await.unwrap(), Some((agent, "b".to_owned())));
    assert_eq!(store.hook([3; 32]).await.unwrap(), Some((other, "b".to_owned())));
    assert_eq!(store.hook([2; 32]).await.unwrap(), None);
    assert!(store.delete_hook(agent, "b".to_owned()).await.unwrap());
    assert!(!store.delete_hook(agent, "b".to_owned()).await.unwrap());
    assert_eq!(store.hook([1; 32]).await.unwrap(), None);
    for number in 1..MAX_HOOKS {
        let hash = 100 + u8::try_from(number).unwrap();
        assert_eq!(create(agent, &format!("h{number}"), hash).await, HookCreated::Done);
    }
    assert_eq!(create(agent, "more", 99).await, HookCreated::Full);
}
