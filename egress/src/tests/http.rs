//! What is on the wire, both ways.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    OUTSIDE, egress, get, request, send,
    server::{Reply, Server},
};
use crate::{Failure, Kind, Request};

/// A server that says one thing.
async fn saying(text: &'static str) -> Server {
    Server::new(OUTSIDE, move |_| text.into()).await
}

fn header<'a>(response: &'a crate::Response, name: &str) -> Option<&'a [u8]> {
    response.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
}

#[tokio::test]
async fn a_request_is_sent_as_it_was_asked_for() {
    let server = saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    let egress = egress();
    let agent = concat!("user-agent: openclaw-cloud/", env!("CARGO_PKG_VERSION"));
    let host = server.address;
    let headers = vec![("X-A".to_owned(), b"1".to_vec()), ("x-a".to_owned(), b"\xe4".to_vec())];
    let asked =
        Request { headers, key: Some("k".to_owned()), ..request("GET", &server.url("/a/../b?c=d#e")) };
    assert_eq!(send(&egress, asked).await.unwrap().body, b"hi");
    let expected = format!(
        "GET /b?c=d HTTP/1.1\r\nx-a: 1\r\nx-a: \u{fffd}\r\n{agent}\r\naccept-encoding: identity\r\n\
         connection: close\r\nhost: {host}\r\n\r\n"
    );
    assert_eq!(server.seen().pop().unwrap(), expected);

    let posted =
        Request { body: b"body".to_vec(), key: Some("k".to_owned()), ..request("POST", &server.url("/")) };
    send(&egress, posted).await.unwrap();
    let expected = format!(
        "POST / HTTP/1.1\r\n{agent}\r\naccept-encoding: identity\r\nconnection: close\r\nidempotency-key: k\r\n\
         host: {host}\r\ncontent-length: 4\r\n\r\nbody"
    );
    assert_eq!(server.seen().pop().unwrap(), expected);
}

#[tokio::test]
async fn what_an_agent_sets_stays() {
    let server = saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let own = |name: &str| (name.to_owned(), b"own".to_vec());
    let headers = ["User-Agent", "Accept-Encoding", "Idempotency-Key"].map(own).into();
    let put = Request { headers, key: Some("k".to_owned()), ..request("PUT", &server.url("/")) };
    send(&egress(), put).await.unwrap();
    let seen = server.seen().pop().unwrap();
    for line in ["user-agent: own", "accept-encoding: own", "idempotency-key: own", "content-length: 0"] {
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{seen}");
    }
    assert!(!seen.contains("identity") && !seen.contains(": k"), "{seen}");
}

#[tokio::test]
async fn an_answer_is_told_as_it_came_without_what_concerns_the_connection() {
    let server = saying(
        "HTTP/1.1 503 No\r\nX-A: 1\r\nx-a: 2\r\nContent-Encoding: gzip\r\nconnection: close, x-hop\r\nx-hop: 1\r\n\
         keep-alive: timeout=5\r\nproxy-authenticate: Basic\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n\
         3\r\n\x1f\u{8}z\r\n0\r\nx-t: hidden\r\n\r\n",
    )
    .await;
    let answer = get(&egress(), &server.url("/")).await.unwrap();
    assert_eq!(answer.status, 503);
    let expected = [("x-a", "1"), ("x-a", "2"), ("content-encoding", "gzip")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(answer.headers, expected);
    // Not even looked at.
    assert_eq!(answer.body, b"\x1f\x08z");
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let server = Server::new(OUTSIDE, |request| {
        match request.split(' ').next() {
            // A length of what a GET would get: more than would be let in.
            Some("HEAD") => "HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n",
            Some("DELETE") => "HTTP/1.1 204 No Content\r\n\r\n",
            _ => "HTTP/1.1 304 Not Modified\r\ncontent-length: 5000000\r\n\r\n",
        }
        .into()
    })
    .await;
    let egress = egress();
    for (method, status) in [("HEAD", 200), ("DELETE", 204), ("GET", 304)] {
        let answer = send(&egress, request(method, &server.url("/"))).await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{method}");
        let length = (method != "DELETE").then_some(b"5000000".as_slice());
        assert_eq!(header(&answer, "content-length"), length, "{method}");
    }
}

#[tokio::test]
async fn interim_answers_are_skipped_and_no_other_protocol_is_spoken() {
    let hints = saying(
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nend",
    )
    .await;
    let answer = get(&egress(), &hints.url("/")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"end".as_slice()));
    assert_eq!(header(&answer, "link"), None);
    for other in [
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        "SSH-2.0-OpenSSH_9\r\n",
        "+PONG\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfive\r\nxxxxx\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
    ] {
        let server = saying(other).await;
        let error = get(&egress(), &server.url("/")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{other}: {error:?}");
        assert!(error.may_have_left() && !error.retryable());
    }
}

#[tokio::test]
async fn a_connection_that_is_not_made_took_nothing() {
    let gone = Server::new(OUTSIDE, |_| "".into()).await.address;
    // Its listener may take a moment to go.
    while tokio::net::TcpStream::connect(gone).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let error = send(&egress(), request("POST", &format!("http://{gone}/"))).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::Connect { .. }), "{error:?}");
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(!error.may_have_left() && error.retryable());
}

#[tokio::test]
async fn a_connection_that_ends_may_have_taken_the_request() {
    for text in ["", "HTTP/1.1 200 OK\r\ncontent-len", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhalf"] {
        let server = saying(text).await;
        let error = send(&egress(), request("POST", &server.url("/?hidden"))).await.unwrap_err();
        assert!(matches!(error.failure(), Failure::Closed { .. }), "{text}: {error:?}");
        assert_eq!(error.kind(), Kind::RefusedByPeer);
        assert!(error.may_have_left() && error.retryable());
        assert!(!error.to_string().contains("hidden"));
        assert_eq!(server.seen().len(), 1, "not sent again by itself");
    }
}

#[tokio::test]
async fn who_does_not_answer_in_time_may_have_taken_the_request() {
    let server = Server::new(OUTSIDE, |_| Reply::Hold(Vec::new())).await;
    let within = Some(Duration::from_millis(100));
    let slow = Request { timeout: within, ..request("POST", &server.url("/")) };
    let error = send(&egress(), slow).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_left()), (Kind::Timeout, true));
    server.ended().await;
}

#[tokio::test]
async fn who_stops_waiting_ends_the_connection() {
    let server = Server::new(OUTSIDE, |_| Reply::Hold(Vec::new())).await;
    let egress = egress();
    let url = server.url("/");
    let mut waiting = Box::pin(get(&egress, &url));
    while server.seen().is_empty() {
        tokio::select! {
            _ = &mut waiting => panic!("nobody answered"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(waiting);
    server.ended().await;
}

/// As servers do whose bound is lower than ours.
#[tokio::test]
async fn an_answer_to_what_was_not_read_is_one() {
    let listener = tokio::net::TcpListener::bind((OUTSIDE, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let posted = Request { body: vec![0; 1 << 20], ..request("POST", &url) };
    let egress = egress();
    let (answer, ()) = tokio::join!(send(&egress, posted), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 16]).await.unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Much\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    });
    assert_eq!(answer.unwrap().status, 413);
}
