//! Answers that lead on.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use super::{
    ELSEWHERE, INSIDE, OUTSIDE, egress, get, granting, request,
    server::{Reply, Server},
};
use crate::{Failure, Kind, MAX_REDIRECTS, Request};

fn to(location: &str) -> Reply {
    Reply::Hold(format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\n\r\n").into_bytes())
}

#[tokio::test]
async fn an_answer_is_followed_to_where_it_leads() {
    let server = Server::new(OUTSIDE, |request| match request.split(' ').nth(1) {
        Some("/a") => to("b"),
        Some("/b") => to("/c?d#e"),
        _ => "HTTP/1.1 200 OK\r\n\r\nthere".into(),
    })
    .await;
    assert_eq!(get(&egress(), &server.url("/a")).await.unwrap().body, b"there");
    let lines: Vec<_> = server.seen().iter().map(|seen| seen.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["GET /a HTTP/1.1", "GET /b HTTP/1.1", "GET /c?d HTTP/1.1"]);
}

#[tokio::test]
async fn secrets_stay_with_whom_they_were_meant_for() {
    let first: Arc<OnceLock<SocketAddr>> = Arc::default();
    let back = first.clone();
    let other = Server::new(ELSEWHERE, move |_| to(&format!("http://{}/back", back.get().unwrap()))).await;
    let away = other.url("/");
    let home = Server::new(OUTSIDE, move |request| match request.contains("/back") {
        true => "HTTP/1.1 200 OK\r\n\r\n".into(),
        false => to(&away),
    })
    .await;
    first.set(home.address).unwrap();
    let secret = |name: &str| (name.to_owned(), b"secret".to_vec());
    let headers = ["authorization", "cookie", "x-any"].map(secret).into();
    let asked = Request { headers, ..request("GET", &home.url("/")) };
    let rules = Arc::new([granting("GET", &home.url("/")), granting("GET", &other.url("/"))]);
    egress().send(rules, asked).await.unwrap();
    assert_eq!(home.seen()[0].matches("secret").count(), 3);
    // Nor do they come back by way of somebody else.
    assert!(!other.seen()[0].contains("secret") && !home.seen()[1].contains("secret"));
    assert!(other.seen()[0].contains(&format!("\r\nhost: {}\r\n", other.address)));
}

#[tokio::test]
async fn a_redirect_passes_every_door_again() {
    let inside = Server::new(INSIDE, |_| "HTTP/1.1 200 OK\r\n\r\ninside".into()).await;
    let within = inside.url("/?hidden");
    let leads = Server::new(OUTSIDE, move |_| to(&within)).await;
    // Not granted.
    let error = get(&egress(), &leads.url("/")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("redirected to GET@http://{}, which is not granted", inside.address)
    );
    assert_eq!((error.kind(), error.may_have_left()), (Kind::NotGranted, true));
    // Granted, and still inside.
    let rules = Arc::new([granting("GET", &leads.url("/")), granting("GET", &inside.url("/"))]);
    let error = egress().send(rules, request("GET", &leads.url("/"))).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::ForbiddenAddress { .. }), "{error:?}");
    assert!(inside.seen().is_empty());
}

#[tokio::test]
async fn a_circle_is_left() {
    let server = Server::new(OUTSIDE, |_| to("/")).await;
    let error = get(&egress(), &server.url("/")).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::TooManyRedirects), "{error:?}");
    assert_eq!(server.seen().len(), MAX_REDIRECTS + 1);
}

#[tokio::test]
async fn requests_that_change_something_are_not_sent_on() {
    let server = Server::new(OUTSIDE, |_| "HTTP/1.1 307 Go\r\nlocation: /on\r\n\r\n".into()).await;
    let posted = super::send(&egress(), request("POST", &server.url("/"))).await.unwrap();
    assert_eq!(posted.status, 307);
    assert_eq!(posted.headers, [("location".to_owned(), b"/on".to_vec())]);
    assert_eq!(server.seen().len(), 1);
}
