//! Bad requests of every kind, and what every answer carries.

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use wire::problem::Code;

use crate::harness::{Cloud, LONG, code, id, problem};

#[tokio::test]
async fn every_answer_has_an_id_and_headers_that_shut_browsers_up() {
    let cloud = Cloud::bare(|_| {}).await;
    for path in ["/healthz", "/v1/agents", "/nowhere", "/openapi.json"] {
        let answer = cloud.plain(Method::GET, path).send().await.unwrap();
        let headers = answer.headers();
        assert!(headers["x-request-id"].to_str().unwrap().starts_with("req_"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert!(
            headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"),
            "{path}"
        );
    }
    let mine = cloud.plain(Method::GET, "/nowhere").header("x-request-id", "mine-1").send().await.unwrap();
    assert_eq!(problem(mine).await.request_id, "mine-1");
    let wild =
        cloud.plain(Method::GET, "/nowhere").header("x-request-id", "x".repeat(129)).send().await.unwrap();
    assert!(problem(wild).await.request_id.starts_with("req_"));
}

#[tokio::test]
async fn wrong_methods_paths_and_types_are_problems() {
    let (cloud, _host) = Cloud::start().await;
    let table = [
        (Method::GET, "/nowhere", Code::NotFound),
        (Method::GET, "/v1/nowhere", Code::NotFound),
        (Method::POST, "/", Code::MethodNotAllowed),
        (Method::PATCH, "/v1/agents", Code::MethodNotAllowed),
        (Method::POST, "/healthz", Code::MethodNotAllowed),
        (Method::GET, "/v1/agents/spawn", Code::MethodNotAllowed),
        (Method::GET, "/v1/agents/%ff", Code::BadRequest),
        (Method::GET, "/v1/agents/agt_nope", Code::NotFound),
        (Method::GET, "/v1/agents/agt_01arz3ndektsv4rrffq69g5fav", Code::NotFound),
        (Method::GET, "/v1/agents/agt_01ARZ3NDEKTSV4RRFFQ69G5FAV", Code::NotFound),
        (Method::DELETE, "/v1/tokens/tok_01ARZ3NDEKTSV4RRFFQ69G5FAV", Code::NotFound),
        (Method::GET, "/v1/agents/agt_01ARZ3NDEKTSV4RRFFQ69G5FAV/socket", Code::BadRequest),
        (Method::POST, "/v1/agents/spawn", Code::UnsupportedMediaType),
        (Method::GET, "/v1/images/none", Code::NotFound),
    ];
    for (method, path, expected) in table {
        let answer = cloud.request(method.clone(), path).send().await.unwrap();
        assert_eq!(code(answer).await, expected, "{method} {path}");
    }
    let head = cloud.request(Method::HEAD, "/v1/agents").send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.text().await.unwrap(), "");
    let options = cloud.request(Method::OPTIONS, "/v1/agents").send().await.unwrap();
    assert_eq!(options.status(), StatusCode::NO_CONTENT);
    assert!(options.headers()["allow"].to_str().unwrap().contains("GET"));
}

#[tokio::test]
async fn bodies_that_are_wrong_in_form_are_told_from_those_wrong_in_content() {
    let (cloud, _host) = Cloud::start().await;
    let spawn = async |kind: &str, body: Vec<u8>| {
        let request = cloud.request(Method::POST, "/v1/agents/spawn").header("content-type", kind);
        code(request.body(body).send().await.unwrap()).await
    };
    assert_eq!(spawn("text/plain", b"{}".to_vec()).await, Code::UnsupportedMediaType);
    assert_eq!(spawn("application/json", b"".to_vec()).await, Code::BadRequest);
    assert_eq!(spawn("application/json", b"{\"image\":\"\xff\"}".to_vec()).await, Code::BadRequest);
    assert_eq!(spawn("application/json", b"{\"image\":".to_vec()).await, Code::BadRequest);
    assert_eq!(spawn("application/json; charset=utf-8", b"[\"shell\"]".to_vec()).await, Code::Validation);
    let long = serde_json::to_vec(&json!({ "image": "x".repeat(256 * 1024) })).unwrap();
    assert_eq!(spawn("application/json", long.clone()).await, Code::TooLarge);
    let chunks = long.chunks(10_000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    let body = reqwest::Body::wrap_stream(tokio_stream::iter(chunks));
    let request = cloud.request(Method::POST, "/v1/agents/spawn").header("content-type", "application/json");
    assert_eq!(code(request.body(body).send().await.unwrap()).await, Code::TooLarge);
}

#[tokio::test]
async fn keys_that_no_header_should_have_are_refused() {
    let (cloud, _host) = Cloud::start().await;
    for key in ["", " ", "two words", &"k".repeat(256)] {
        let request = cloud.request(Method::POST, "/v1/agents/spawn").header("idempotency-key", key);
        let answer = request.json(&json!({ "image": "shell" })).send().await.unwrap();
        assert_eq!(code(answer).await, Code::BadRequest, "{key:?}");
    }
}

#[tokio::test]
async fn what_is_not_http_gets_no_further() {
    let cloud = Cloud::bare(|_| {}).await;
    let mut stream = TcpStream::connect(cloud.url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
}

#[tokio::test]
async fn the_console_is_served_or_says_how_to_build_it() {
    let cloud = Cloud::bare(|_| {}).await;
    let page = cloud.plain(Method::GET, "/").send().await.unwrap();
    let (status, headers) = (page.status(), page.headers().clone());
    let text = page.text().await.unwrap();
    let terminal =
        cloud.plain(Method::GET, "/agents/agt_01ARZ3NDEKTSV4RRFFQ69G5FAV/terminal").send().await.unwrap();
    assert_eq!(terminal.status(), status);
    let terminal = terminal.text().await.unwrap();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        assert!(text.contains("cargo xtask build"), "{text}");
        return;
    }
    assert_eq!(status, StatusCode::OK);
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    let again = cloud.plain(Method::GET, "/").header("if-none-match", &headers["etag"]).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_ne!(terminal, text, "a terminal has a page of its own");
    let script = text.split('"').find(|part| part.starts_with("/assets/") && part.ends_with(".js")).unwrap();
    let script = cloud.plain(Method::GET, script).send().await.unwrap();
    assert!(script.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert!(script.headers()["content-type"].to_str().unwrap().starts_with("text/javascript"));
}

#[tokio::test]
async fn nobody_who_waits_holds_up_a_stop() {
    let (cloud, host) = Cloud::start().await;
    let agent = id(&cloud.spawn().await);
    let waiting =
        cloud.request(Method::GET, &format!("/v1/agents/{agent}?wait_for=suspended&timeout_seconds=60"));
    let waiting = tokio::spawn(waiting.send());
    let followed =
        cloud.request(Method::GET, &format!("/v1/agents/{agent}/logs?follow=true")).send().await.unwrap();
    assert_eq!(host.seen().logs.len(), 1);
    timeout(LONG / 4, cloud.stop()).await.unwrap();
    assert!(waiting.await.unwrap().is_ok_and(|answer| answer.status() == StatusCode::OK));
    followed.text().await.unwrap();
}

#[tokio::test]
async fn health_says_when_it_is_over() {
    let cloud = Cloud::bare(|_| {}).await;
    assert_eq!(cloud.plain(Method::GET, "/healthz").send().await.unwrap().text().await.unwrap(), "ok\n");
    assert_eq!(cloud.plain(Method::GET, "/readyz").send().await.unwrap().status(), StatusCode::OK);
    let url = cloud.url.clone();
    cloud.stop().await;
    assert!(TcpStream::connect(url.trim_start_matches("http://")).await.is_err());
}
