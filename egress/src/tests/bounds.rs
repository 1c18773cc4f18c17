//! Servers that say too much, or too slowly.

use std::time::Duration;

use wire::egress::{MAX_BODY_BYTES, MAX_HEADERS};

use super::{
    OUTSIDE, egress, get, request, send,
    server::{Reply, Server},
};
use crate::{Error, Kind, Request, Response};

async fn answered(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<Response, Error> {
    let server = Server::new(OUTSIDE, move |_| reply()).await;
    get(&egress(), &server.url("/")).await
}

fn said(head: &str, body: usize) -> Reply {
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n").into_bytes();
    bytes.resize(bytes.len() + body, b'x');
    Reply::Say(bytes)
}

fn assert_too_large(answer: Result<Response, Error>) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge, "{error:?}");
    assert!(error.may_have_left() && !error.retryable());
}

#[tokio::test]
async fn a_body_is_as_long_as_it_may_be_and_no_longer() {
    let declared = |bytes: usize| answered(move || said(&format!("content-length: {bytes}\r\n"), bytes));
    assert_eq!(declared(MAX_BODY_BYTES).await.unwrap().body.len(), MAX_BODY_BYTES);
    assert_too_large(declared(MAX_BODY_BYTES + 1).await);
    // Until the connection ends.
    let open = |bytes: usize| answered(move || said("", bytes));
    assert_eq!(open(MAX_BODY_BYTES).await.unwrap().body.len(), MAX_BODY_BYTES);
    assert_too_large(open(MAX_BODY_BYTES + 1).await);
}

#[tokio::test]
async fn a_length_that_is_too_much_is_not_waited_for() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551614\r\n\r\n";
    assert_too_large(answered(|| Reply::Hold(head.into())).await);
}

#[tokio::test]
async fn chunks_without_end_are_cut() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    assert_too_large(answered(move || Reply::Repeat(head.into(), chunk.clone().into())).await);
}

#[tokio::test]
async fn headers_without_end_are_cut() {
    let head = "HTTP/1.1 200 OK\r\n";
    let one_line = move || Reply::Repeat(format!("{head}a: ").into(), "x".repeat(1000).into());
    assert_too_large(answered(one_line).await);
    let lines = move || Reply::Repeat(head.into(), "a: b\r\n".repeat(100).into());
    assert_too_large(answered(lines).await);
}

#[tokio::test]
async fn headers_are_as_many_as_may_be_and_no_more() {
    let many = |count: usize| answered(move || said(&"a: b\r\n".repeat(count), 0));
    assert_eq!(many(MAX_HEADERS).await.unwrap().headers.len(), MAX_HEADERS);
    assert_too_large(many(MAX_HEADERS + 1).await);
    let long = |bytes: usize| answered(move || said(&format!("a: {}\r\n", "x".repeat(bytes)), 0));
    assert_eq!(long(16 * 1024 - 1).await.unwrap().headers.len(), 1);
    assert_too_large(long(16 * 1024).await);
}

#[tokio::test]
async fn interim_answers_without_end_are_cut() {
    let again = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
    assert_too_large(answered(move || Reply::Repeat(Vec::new(), again.clone().into())).await);
}

#[tokio::test]
async fn trailers_without_end_are_cut() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n";
    let error =
        answered(move || Reply::Repeat(head.into(), "a: b\r\n".repeat(100).into())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error:?}");
}

#[tokio::test]
async fn a_drip_is_waited_for_only_so_long() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx";
    let server = Server::new(OUTSIDE, move |_| Reply::Hold(head.into())).await;
    let within = Some(Duration::from_millis(100));
    let slow = Request { timeout: within, ..request("GET", &server.url("/")) };
    let error = send(&egress(), slow).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_left()), (Kind::Timeout, true));
    assert_eq!(error.to_string(), "not answered within 100ms");
    server.ended().await;
}

/// On a clock of its own, which passes when there is nothing else to do.
#[tokio::test(start_paused = true)]
async fn no_agent_waits_longer_than_the_most() {
    let server = Server::new(OUTSIDE, |_| Reply::Hold(Vec::new())).await;
    for (asked, most) in [(None, crate::DEFAULT_TIMEOUT), (Some(Duration::MAX), crate::MAX_TIMEOUT)] {
        let begun = tokio::time::Instant::now();
        let slow = Request { timeout: asked, ..request("GET", &server.url("/")) };
        assert_eq!(send(&egress(), slow).await.unwrap_err().kind(), Kind::Timeout);
        assert_eq!(begun.elapsed().as_secs(), most.as_secs());
    }
}
