//! Files and logs, passed through.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::problem::{Code, Problem};

use crate::harness::{Cloud, code, id};

#[tokio::test]
async fn files_pass_through_and_cannot_be_taken_for_pages() {
    let (cloud, host) = Cloud::start().await;
    let base = format!("/v1/agents/{}/files", id(&cloud.spawn().await));
    let path = format!("{base}/dir/a%20%C3%A4.html");
    let put = cloud.request(Method::PUT, &path).body("<b>hi</b>").send().await.unwrap();
    assert_eq!(put.status(), StatusCode::OK);
    assert_eq!(put.json::<Value>().await.unwrap()["size_bytes"], 9);
    assert!(host.seen().files.contains_key("dir/a ä.html"));
    let got = cloud.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(got.headers()["content-type"], "application/octet-stream");
    assert_eq!(got.headers()["content-disposition"], "attachment");
    assert!(got.headers()["content-security-policy"].to_str().unwrap().contains("sandbox"));
    assert_eq!(got.text().await.unwrap(), "<b>hi</b>");
    let part = cloud.request(Method::GET, &path).header("range", "bytes=0-1").send().await.unwrap();
    assert_eq!(
        (part.status(), &part.headers()["content-range"]),
        (StatusCode::PARTIAL_CONTENT, &"bytes 0-1/9".parse().unwrap())
    );
    let removed = cloud.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    assert_eq!(code(cloud.request(Method::GET, &path).send().await.unwrap()).await, Code::NotFound);
    let listed = cloud.get(&format!("{base}?prefix=dir/&cursor=c")).await;
    assert_eq!((&listed["data"][0]["path"], &listed["next_cursor"]), (&json!("dir/a.txt"), &json!("c")));
}

#[tokio::test]
async fn paths_that_lead_out_are_refused_before_a_host_sees_them() {
    let (cloud, host) = Cloud::start().await;
    let base = format!("/v1/agents/{}/files", id(&cloud.spawn().await));
    for path in [
        "../a",
        "%2e%2e/a",
        "a/%2e%2e/%2e%2e/etc",
        "%2fetc%2fpasswd",
        "a%00b",
        "a%5cb",
        "a//b",
        "..%2f..%2fa",
        "./a",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = cloud.raw(method, &format!("{base}/{path}")).await;
            assert!(
                answer.starts_with("HTTP/1.1 422 ") && answer.contains("/path"),
                "{method} {path}: {answer}"
            );
        }
    }
    assert!(host.seen().files.is_empty());
    let utf8 = cloud.request(Method::GET, &format!("{base}/%ff")).send().await.unwrap();
    assert_eq!(code(utf8).await, Code::BadRequest);
    let prefix = cloud.request(Method::GET, &format!("{base}?prefix=../")).send().await.unwrap();
    assert_eq!(code(prefix).await, Code::Validation);
}

#[tokio::test]
async fn a_file_over_the_bound_is_refused_said_or_not() {
    let (cloud, host) = Cloud::start().await;
    let path = format!("/v1/agents/{}/files/big", id(&cloud.spawn().await));
    let chunk = vec![0_u8; 1 << 20];
    let chunks = std::iter::repeat_n(chunk, 65).map(Ok::<_, std::io::Error>);
    let body = reqwest::Body::wrap_stream(tokio_stream::iter(chunks));
    let answer = cloud.request(Method::PUT, &path).body(body).send().await.unwrap();
    assert_eq!(code(answer).await, Code::TooLarge);
    assert!(host.seen().files.is_empty());
}

#[tokio::test]
async fn an_agent_that_does_not_run_has_no_files_to_show() {
    let (cloud, host) = Cloud::start().await;
    host.hold(true);
    let request = cloud.request(Method::POST, "/v1/agents/spawn").json(&json!({ "image": "shell" }));
    let agent: Value = request.send().await.unwrap().json().await.unwrap();
    for rest in ["files", "files/a", "logs"] {
        let answer =
            cloud.request(Method::GET, &format!("/v1/agents/{}/{rest}", id(&agent))).send().await.unwrap();
        assert_eq!(answer.headers()["retry-after"], "1", "{rest}");
        let problem: Problem = answer.json().await.unwrap();
        assert_eq!((problem.code, problem.retryable), (Code::InvalidState, true), "it is on its way: {rest}");
    }
    host.hold(false);
    cloud.agent_once(&id(&agent), "running").await;
}

#[tokio::test]
async fn logs_are_lines_or_events() {
    let (cloud, host) = Cloud::start().await;
    let path = format!("/v1/agents/{}/logs", id(&cloud.spawn().await));
    let lines = cloud.request(Method::GET, &format!("{path}?after=1&level=info")).send().await.unwrap();
    assert_eq!(lines.headers()["content-type"], "application/x-ndjson");
    let lines = lines.text().await.unwrap();
    let seqs: Vec<_> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].clone()).collect();
    assert_eq!(seqs, [2, 3]);

    let request = cloud.request(Method::GET, &format!("{path}?follow=false"));
    let request = request.header("accept", "text/event-stream").header("last-event-id", "2");
    let events = request.send().await.unwrap();
    assert!(events.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let events = events.text().await.unwrap();
    assert!(
        events.contains("id: 3\n") && events.contains("event: log\n") && events.contains("data: {"),
        "{events}"
    );
    assert!(!events.contains("id: 2\n"));
    {
        let seen = host.seen();
        assert_eq!(seen.logs[0].get("level").map(String::as_str), Some("info"));
        assert_eq!(seen.logs[1].get("after").map(String::as_str), Some("2"));
    }
    let wrong = cloud.request(Method::GET, &format!("{path}?level=loud")).send().await.unwrap();
    assert_eq!(code(wrong).await, Code::Validation);
}
