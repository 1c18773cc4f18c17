use super::*;

#[tokio::test]
async fn input_of_one_session_is_joined_and_of_two_is_not() {
    let mailbox = Mailbox::default();
    assert_eq!(mailbox.input("a", 0, b"he"), 2);
    assert_eq!(mailbox.input("a", 2, b"llo"), 3);
    assert_eq!(mailbox.input("b", 0, b"x"), 1);
    let Some(Item::Input { bytes, origin }) = mailbox.next().await else { panic!("no input") };
    assert_eq!((bytes.as_slice(), origin), (&b"hello"[..], Origin { session: "a".to_owned(), upto: 5 }));
    assert!(matches!(mailbox.next().await, Some(Item::Input { bytes, .. }) if bytes == b"x"));
}

#[tokio::test]
async fn waiting_input_is_bounded_and_room_comes_back() {
    let mailbox = Mailbox::default();
    let mut taken = 0;
    loop {
        match mailbox.input("a", taken as u64, &[b'x'; 10_000]) {
            0 => break,
            n => taken += n,
        }
    }
    assert_eq!(taken, MAX_INPUT_BYTES);
    mailbox.next().await;
    mailbox.room().await;
    assert!(mailbox.input("a", taken as u64, b"y") == 1);
}

#[tokio::test]
async fn only_the_newest_size_waits_and_a_turn_goes_behind() {
    let mailbox = Mailbox::default();
    mailbox.resize(wit::Size { cols: 1, rows: 1 });
    mailbox.turn();
    mailbox.turn();
    mailbox.resize(wit::Size { cols: 2, rows: 2 });
    mailbox.stop(wit::Stop { reason: wit::StopReason::HostDrain, grace_ms: 1 });
    assert!(matches!(mailbox.next().await, Some(Item::Stop(_))));
    assert!(matches!(mailbox.next().await, Some(Item::Turn)));
    assert!(matches!(mailbox.next().await, Some(Item::Resize(size)) if size.cols == 2));
    mailbox.close();
    assert!(mailbox.next().await.is_none());
}

fn delivery(seq: u64, bytes: usize) -> Delivery {
    let message = wire::message::Message {
        id: wire::MessageId::new(),
        sender: wire::message::Sender::Webhook { name: "build".to_owned() },
        content_type: "text/plain".to_owned(),
        body: vec![b'm'; bytes],
        sent_at: jiff::Timestamp::from_millisecond(7).unwrap(),
    };
    Delivery { seq, what: Delivered::Message { message } }
}

fn turns(mailbox: &Mailbox) -> usize {
    mailbox.capture().events.iter().filter(|event| **event == manifest::Event::Turn).count()
}

#[tokio::test]
async fn messages_wait_within_a_bound_and_room_comes_back() {
    let mailbox = Mailbox::default();
    let mut taken = 0;
    while mailbox.message(&delivery(taken + 1, MAX_MESSAGE_BYTES / 4), 0) {
        taken += 1;
    }
    assert!((2..=8).contains(&taken), "{taken}");
    assert_eq!(mailbox.inbox(), taken);
    // Input has its own room.
    assert_eq!(mailbox.input("a", 0, b"x"), 1);
    mailbox.next().await;
    mailbox.wants_messages().await;
    assert!(mailbox.message(&delivery(taken + 1, MAX_MESSAGE_BYTES), 0));
    let (mut empty, mailbox) = (0, Mailbox::default());
    while mailbox.message(&delivery(empty + 1, 0), 0) {
        empty += 1;
    }
    assert!(empty < 1000, "empty ones cost as well");
}

#[tokio::test]
async fn an_entry_of_the_inbox_is_taken_once() {
    let mailbox = Mailbox::default();
    assert!(mailbox.message(&delivery(5, 1), 0));
    assert!(mailbox.message(&delivery(5, 1), 0));
    assert!(mailbox.message(&delivery(4, 1), 0));
    let sent = |timeline| Delivery {
        seq: 6 + timeline,
        what: Delivered::Completion {
            timeline,
            op: 9,
            outcome: wire::message::Outcome::Failed {
                code: wire::message::FailureCode::RefusedByPeer,
                reason: "no".to_owned(),
                retryable: false,
            },
        },
    };
    // Of another life of the agent.
    assert!(mailbox.message(&sent(0), 1));
    assert!(mailbox.message(&sent(1), 1));
    assert_eq!(mailbox.inbox(), 7);
    assert!(matches!(mailbox.next().await, Some(Item::Message { seq: 5, .. })));
    assert!(matches!(mailbox.next().await, Some(Item::Completed(done)) if done.op == 9));
    assert!(mailbox.is_idle());
}

#[tokio::test]
async fn what_waits_goes_into_a_checkpoint_and_comes_back_in_order() {
    let mailbox = Mailbox::default();
    mailbox.input("a", 0, b"ls\n");
    assert!(mailbox.message(&delivery(3, 10), 0));
    mailbox.turn();
    mailbox.completed(wit::Completion { op: 2, outcome: wit::Outcome::Done(wit::Output::Slept) });
    mailbox.resize(wit::Size { cols: 100, rows: 30 });
    mailbox.stop(wit::Stop { reason: wit::StopReason::HostDrain, grace_ms: 1 });
    let captured = mailbox.capture();
    assert_eq!((captured.events.len(), captured.inbox), (5, 3));

    let back = Mailbox::default();
    back.input("a", 3, b"pwd\n");
    back.load(captured.clone());
    assert_eq!(back.inbox(), 3);
    back.stop(wit::Stop { reason: wit::StopReason::HostDrain, grace_ms: 1 });
    assert!(matches!(back.next().await, Some(Item::Stop(_))));
    assert_eq!(back.capture().events[..5], captured.events[..]);
    assert!(matches!(back.next().await, Some(Item::Input { bytes, .. }) if bytes == b"ls\n"));
    assert!(matches!(back.next().await, Some(Item::Message { seq: 3, .. })));
    // One turn waits, so another `again` adds none.
    back.turn();
    assert_eq!(turns(&back), 1);
}

#[tokio::test]
async fn what_was_delivered_is_delivered_again_in_its_order() {
    let mailbox = Mailbox::default();
    mailbox.input("a", 0, b"one");
    let mut delivered = vec![mailbox.next().await.unwrap()];
    mailbox.turn();
    delivered.push(mailbox.next().await.unwrap());
    mailbox.turn();
    mailbox.input("a", 3, b"two");
    mailbox.requeue(delivered);
    assert!(matches!(mailbox.next().await, Some(Item::Input { bytes, .. }) if bytes == b"one"));
    assert_eq!(turns(&mailbox), 2);
    mailbox.turn();
    assert_eq!(turns(&mailbox), 2, "the one that is delivered again answers it");
    assert!(matches!(mailbox.next().await, Some(Item::Turn)));
    assert!(matches!(mailbox.next().await, Some(Item::Turn)));
    assert!(matches!(mailbox.next().await, Some(Item::Input { bytes, .. }) if bytes == b"two"));
    assert!(mailbox.is_idle());
}

#[test]
fn a_new_size_does_not_wake() {
    let mailbox = Mailbox::default();
    mailbox.resize(wit::Size { cols: 100, rows: 30 });
    assert!(!mailbox.wakes() && !mailbox.is_idle());
    mailbox.input("a", 0, b"x");
    assert!(mailbox.wakes());
}
