//! Streams larger than memory should hold, and readers that leave early.

use std::task::Context;

use super::*;

/// Runs a utility between two pipes: feeds it, and hands its output to `take` until that answers false.
fn through(line: &str, mut feed: impl FnMut() -> Option<Vec<u8>>, mut take: impl FnMut(&[u8]) -> bool) -> u8 {
    let fixture = Fixture::new();
    let (input, to_input) = pipe();
    let (output, to_output) = pipe();
    let (stderr, errors) = Writer::capture(CAPTURE);
    let call = fixture.call(&split(line), input, to_output, stderr);
    let utility = async move {
        // The call is dropped at its end: that is what closes its streams.
        let call = call;
        finish(&call, &errors).await
    };
    let feeder = async move {
        while let Some(bytes) = feed() {
            if to_input.write_all(bytes).await.is_err() {
                break;
            }
        }
    };
    let taker = async move {
        loop {
            let bytes = output.read().await.unwrap();
            if bytes.is_empty() || !take(&bytes) {
                break;
            }
        }
    };
    let (mut utility, mut feeder, mut taker) =
        (Box::pin(utility), Some(Box::pin(feeder)), Some(Box::pin(taker)));
    let mut cx = Context::from_waker(Waker::noop());
    let mut status = None;
    while status.is_none() || taker.is_some() {
        if let Some(future) = &mut feeder
            && future.as_mut().poll(&mut cx).is_ready()
        {
            feeder = None;
        }
        if status.is_none()
            && let Poll::Ready(code) = utility.as_mut().poll(&mut cx)
        {
            status = Some(code);
        }
        if let Some(future) = &mut taker
            && future.as_mut().poll(&mut cx).is_ready()
        {
            taker = None;
        }
    }
    status.unwrap()
}

/// Lines that add up to a bit over ten megabytes.
fn ten_megabytes() -> impl FnMut() -> Option<Vec<u8>> {
    let mut chunks = 0;
    move || {
        chunks += 1;
        (chunks <= 1024)
            .then(|| b"all work and no play makes jack a dull boy, said the shining book\n".repeat(160))
    }
}

const FED: usize = 1024 * 160 * 66;

#[test]
fn ten_megabytes_pass_through_unchanged_in_size() {
    for line in
        ["cat", "cat -n", "grep -v xyz", "sed s/q/r/", "cut -c 1-200", "tr x y", "tail -n +1", "head -c 1G"]
    {
        let mut taken = 0;
        let status = through(line, ten_megabytes(), |bytes| {
            taken += bytes.len();
            true
        });
        assert_eq!(status, 0, "{line}");
        let numbers = if line == "cat -n" { 7 * 1024 * 160 } else { 0 };
        assert_eq!(taken, FED + numbers, "{line}");
    }
}

#[test]
fn a_reader_that_leaves_ends_the_writer_with_141() {
    for line in ["cat", "grep all", "sed p", "tr a b", "cut -c 1-"] {
        let status = through(line, || Some(b"all of it\n".repeat(1000)), |_| false);
        assert_eq!(status, 141, "{line}");
    }
}

#[test]
fn head_leaves_what_it_did_not_take() {
    let fixture = Fixture::new();
    let stdin = Reader::from_bytes(b"one\ntwo\nthree\n".to_vec());
    let (stdout, output) = Writer::capture(CAPTURE);
    let call = fixture.call(&split("head -n 1"), stdin.clone(), stdout, Writer::null());
    assert_eq!(block_on(finish(&call, &Rc::default())), 0);
    assert_eq!(*output.borrow(), b"one\n");
    assert_eq!(block_on(stdin.read_line()).unwrap().unwrap(), b"two\n");
}

#[test]
fn what_cannot_stream_says_how_much_it_holds() {
    for line in ["sort", "head -n -1000000000", "tail -c 1G"] {
        let fixture = Fixture::new();
        let mut chunks = 0;
        let status = through(
            line,
            || {
                chunks += 1;
                (chunks < 5000).then(|| format!("{chunks:060}\n").repeat(270).into_bytes())
            },
            |_| true,
        );
        drop(fixture);
        assert_eq!(status, 2, "{line}");
    }
}
