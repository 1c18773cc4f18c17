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
