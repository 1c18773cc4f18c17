use super::*;

#[test]
fn what_came_before_is_skipped_and_a_hole_is_refused() {
    let mut inputs = Inputs::default();
    assert_eq!(inputs.attach("a"), Ok(0));
    assert_eq!(inputs.fresh("a", 0, b"hello"), Ok(&b"hello"[..]));
    inputs.received("a", 5);
    assert_eq!(inputs.fresh("a", 3, b"lo!"), Ok(&b"!"[..]));
    assert_eq!(inputs.fresh("a", 0, b"he"), Ok(&b""[..]));
    assert_eq!(inputs.fresh("a", 6, b"?"), Err(InputRefused::Hole));
    assert_eq!(inputs.attach("a"), Ok(5));
}

#[test]
fn sessions_do_not_collide() {
    let mut inputs = Inputs::default();
    inputs.attach("a").unwrap();
    inputs.attach("b").unwrap();
    inputs.received("a", 9);
    assert_eq!(inputs.fresh("b", 0, b"x"), Ok(&b"x"[..]));
    inputs.applied("a", 9);
    assert_eq!((inputs.ack("a", false).applied, inputs.ack("b", false).applied), (9, 0));
}

#[test]
fn the_table_is_bounded_and_an_evicted_session_is_refused() {
    let mut inputs = Inputs::default();
    inputs.attach("first").unwrap();
    inputs.detach("first");
    for n in 0..MAX_INPUT_SESSIONS {
        inputs.attach(&format!("s{n}")).unwrap();
    }
    assert_eq!(inputs.attach("first"), Err(InputRefused::Expired));
    assert_eq!(inputs.fresh("first", 0, b"x"), Err(InputRefused::Expired));
    assert_eq!(inputs.attach("s0"), Ok(0));
}

const HOUR: i64 = 3600 * 1000;

#[test]
fn a_session_without_a_socket_is_refused_after_a_day() {
    let mut inputs = Inputs::default();
    inputs.attach_at("idle", 0).unwrap();
    inputs.attach_at("open", 0).unwrap();
    inputs.sessions[0].sockets = 0;
    assert_eq!(inputs.attach_at("idle", 24 * HOUR), Ok(0));
    inputs.sessions[1].sockets = 0;
    inputs.expire(48 * HOUR);
    assert_eq!(inputs.sessions.len(), 2);
    inputs.expire(48 * HOUR + 1);
    assert_eq!(inputs.attach_at("idle", 48 * HOUR + 1), Err(InputRefused::Expired));
    assert_eq!(inputs.attach_at("open", 48 * HOUR + 1), Ok(0), "it has a socket");
}

#[test]
fn durable_is_what_a_checkpoint_holds_and_the_agent_handled() {
    let mut inputs = Inputs::default();
    inputs.attach("a").unwrap();
    inputs.received("a", 10);
    inputs.applied("a", 4);
    assert_eq!(inputs.ack("a", true), Ack { applied: 4, durable: 0 });
    assert_eq!(inputs.ack("a", false), Ack { applied: 4, durable: 4 });
    let checkpoint = inputs.capture();
    inputs.received("a", 5);
    inputs.mark_durable(&checkpoint);
    assert_eq!(inputs.ack("a", true), Ack { applied: 4, durable: 4 });
    inputs.applied("a", 15);
    assert_eq!(inputs.ack("a", true), Ack { applied: 15, durable: 10 });
    // What was handled since is handled again; what was received is not asked for again.
    inputs.rolled_back(&checkpoint);
    assert_eq!(inputs.ack("a", true), Ack { applied: 4, durable: 4 });
    assert_eq!(inputs.attach("a"), Ok(15));
    // Another process knows what the checkpoint says.
    let mut back = Inputs::restored(&checkpoint);
    assert_eq!(back.ack("a", true), Ack { applied: 4, durable: 4 });
    assert_eq!(back.attach("a"), Ok(10));
}

#[test]
fn a_checkpoint_keeps_who_is_refused_and_no_more_than_the_bounds() {
    let mut inputs = Inputs::default();
    for n in 0..MAX_INPUT_SESSIONS + 3 {
        inputs.attach(&format!("s{n}")).unwrap();
        inputs.detach(&format!("s{n}"));
    }
    let checkpoint = inputs.capture();
    let mut back = Inputs::restored(&checkpoint);
    assert_eq!(back.attach("s0"), Err(InputRefused::Expired));
    assert_eq!(back.attach("s3"), Ok(0));
    assert_eq!(Inputs::restored(&checkpoint).capture(), checkpoint);

    let session = |n: usize, name: String| manifest::InputSession {
        name,
        received: n as u64,
        applied: u64::MAX,
        used_at_ms: u64::MAX,
    };
    let forged = manifest::Inputs {
        sessions: (0..1000)
            .map(|n| session(n, format!("s{n}")))
            .chain([session(0, "x".repeat(65))])
            .collect(),
        evicted: (0..1000).map(|n| format!("e{n}")).collect(),
    };
    let mut back = Inputs::restored(&forged);
    let kept = back.capture();
    assert_eq!((kept.sessions.len(), kept.evicted.len()), (MAX_INPUT_SESSIONS - 1, MAX_EVICTED));
    assert_eq!(back.ack("s999", true), Ack { applied: 999, durable: 999 });
}
