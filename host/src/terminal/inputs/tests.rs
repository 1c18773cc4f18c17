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
