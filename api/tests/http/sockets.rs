//! Terminals: who gets one, and that their bytes pass unchanged.

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, handshake::client::Request},
};
use wire::{
    host::{Command, RefusalCode},
    terminal::{PROTOCOL, close},
};

use crate::{
    harness::{Cloud, LONG, id},
    host::{FakeHost, refused},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn request(url: &str, headers: &[(&'static str, &str)]) -> Request {
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// As a browser opens a ticket's socket.
fn by_ticket(cloud: &Cloud, ticket: &Value) -> Request {
    let protocols: Vec<_> =
        ticket["protocols"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    let protocols = protocols.join(", ");
    request(
        ticket["url"].as_str().unwrap(),
        &[("sec-websocket-protocol", &protocols), ("origin", &cloud.url)],
    )
}

fn by_token(cloud: &Cloud, agent: &str, token: &str) -> Request {
    let url = format!("{}/v1/agents/{agent}/socket", cloud.url.replacen("http", "ws", 1));
    request(&url, &[("authorization", &format!("Bearer {token}")), ("sec-websocket-protocol", PROTOCOL)])
}

async fn open(request: Request) -> Socket {
    let (socket, answer) = connect_async(request).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], PROTOCOL);
    socket
}

async fn next(socket: &mut Socket) -> Message {
    tokio::time::timeout(LONG, socket.next()).await.unwrap().unwrap().unwrap()
}

/// The code a socket is closed with, whatever comes before it.
async fn closed(mut socket: Socket) -> u16 {
    loop {
        if let Message::Close(frame) = next(&mut socket).await {
            return frame.unwrap().code.into();
        }
    }
}

async fn refused_as_http(request: Request) -> u16 {
    match connect_async(request).await {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_ticket_opens_one_socket_and_its_bytes_pass_unchanged() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.spawn().await;
    let mut socket = open(by_ticket(&cloud, &agent["ticket"])).await;
    assert_eq!(next(&mut socket).await, Message::text("hello"));
    for size in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
        let bytes: Vec<u8> = (0..size).map(|i: u32| i.to_le_bytes()[0]).collect();
        socket.send(Message::binary(bytes.clone())).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::binary(bytes));
    }
    {
        let seen = host.seen();
        let headers = &seen.sockets[0];
        assert_eq!(
            (&headers["x-claw-role"], &headers["x-claw-epoch"]),
            (&"operator".parse().unwrap(), &"1".parse().unwrap())
        );
        assert_eq!(headers["sec-websocket-protocol"], PROTOCOL, "the host never sees a ticket");
        assert!(!headers.contains_key("cookie") && !headers.contains_key("origin"));
    }
    let again = open(by_ticket(&cloud, &agent["ticket"])).await;
    assert_eq!(closed(again).await, close::TICKET);
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn a_viewers_ticket_makes_a_viewer() {
    let (cloud, host) = Cloud::start().await;
    let agent = id(&cloud.spawn().await);
    let request = cloud.request(Method::POST, &format!("/v1/agents/{agent}/tickets"));
    let ticket: Value =
        request.json(&json!({ "role": "viewer" })).send().await.unwrap().json().await.unwrap();
    assert_eq!(ticket["role"], "viewer");
    let _socket = open(by_ticket(&cloud, &ticket)).await;
    assert_eq!(host.seen().sockets[0]["x-claw-role"], "viewer");
}

#[tokio::test]
async fn a_socket_needs_the_right_origin() {
    let (cloud, _host) = Cloud::start().await;
    let agent = cloud.spawn().await;
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let mut request = by_ticket(&cloud, &agent["ticket"]);
        request.headers_mut().remove("origin");
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        assert_eq!(refused_as_http(request).await, 403, "{origin:?}");
    }
    let mut foreign = by_token(&cloud, &id(&agent), &cloud.bootstrap.token);
    foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(refused_as_http(foreign).await, 403);
    // None of that used the ticket up.
    open(by_ticket(&cloud, &agent["ticket"])).await;
}

#[tokio::test]
async fn a_refused_socket_opens_to_say_why() {
    let (cloud, _host) = Cloud::start().await;
    let (agent, other) = (cloud.spawn().await, cloud.spawn().await);
    let token = &cloud.bootstrap.token;
    let mut socket = open(by_token(&cloud, "agt_01ARZ3NDEKTSV4RRFFQ69G5FAV", token)).await;
    let Message::Text(said) = next(&mut socket).await else { panic!("a problem first") };
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["type"], &said["problem"]["code"]), (&json!("problem"), &json!("not_found")));
    assert_eq!(closed(socket).await, close::UNKNOWN);

    let mut crossed = by_ticket(&cloud, &agent["ticket"]);
    *crossed.uri_mut() = other["ticket"]["url"].as_str().unwrap().parse().unwrap();
    assert_eq!(closed(open(crossed).await).await, close::TICKET);
    let mut forged = by_ticket(&cloud, &agent["ticket"]);
    let protocols = format!("{PROTOCOL}, ticket.AAAA");
    forged.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    assert_eq!(closed(open(forged).await).await, close::TICKET);
    let reader = cloud.token(&["agents:read"]).await;
    assert_eq!(closed(open(by_token(&cloud, &id(&agent), &reader)).await).await, close::ROLE);
    assert_eq!(closed(open(by_token(&cloud, &id(&agent), "claw_live_nonsense")).await).await, close::TICKET);

    cloud.request(Method::DELETE, &format!("/v1/agents/{}", id(&agent))).send().await.unwrap();
    cloud.agent_once(&id(&agent), "terminated").await;
    assert_eq!(closed(open(by_ticket(&cloud, &agent["ticket"])).await).await, close::TERMINATED);
}

#[tokio::test]
async fn an_agent_that_does_not_run_yet_says_come_back() {
    let (cloud, host) = Cloud::start().await;
    host.hold(true);
    let request = cloud.request(Method::POST, "/v1/agents/spawn").json(&json!({ "image": "shell" }));
    let agent: Value = request.send().await.unwrap().json().await.unwrap();
    let mut socket = open(by_token(&cloud, &id(&agent), &cloud.bootstrap.token)).await;
    let said: Value = serde_json::from_str(next(&mut socket).await.to_text().unwrap()).unwrap();
    let problem = &said["problem"];
    assert_eq!((&problem["retryable"], &problem["retry_after_ms"]), (&json!(true), &json!(1000)), "{said}");
    assert_eq!(closed(socket).await, close::MOVING);
    host.hold(false);
    cloud.agent_once(&id(&agent), "running").await;
    let mut socket = open(by_token(&cloud, &id(&agent), &cloud.bootstrap.token)).await;
    assert_eq!(next(&mut socket).await, Message::text("hello"));
}

#[tokio::test]
async fn a_host_that_vanishes_and_an_api_that_stops_close_properly() {
    let (cloud, host) = Cloud::start().await;
    let agent = id(&cloud.spawn().await);
    let mut socket = open(by_token(&cloud, &agent, &cloud.bootstrap.token)).await;
    socket.send(Message::text("vanish")).await.unwrap();
    assert_eq!(closed(socket).await, close::MOVING);
    let mut socket = open(by_token(&cloud, &agent, &cloud.bootstrap.token)).await;
    assert_eq!(next(&mut socket).await, Message::text("hello"));
    cloud.begin_stop();
    assert_eq!(closed(socket).await, close::RESTART);
    cloud.stop().await;
    drop(host);
}

#[tokio::test]
async fn a_viewer_sees_a_suspended_agent_and_does_not_wake_it() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.suspended().await;
    let checkpoint = cloud.agent(agent).await["checkpoint"].clone();
    let mut socket = open(by_token(&cloud, &agent.to_string(), &cloud.bootstrap.token)).await;
    assert_eq!(next(&mut socket).await, Message::text("hello"));
    let row = cloud.agent(agent).await;
    assert_eq!((&row["status"], &row["host"]), (&json!("suspended"), &json!(host.id.to_string())));
    assert_eq!(row["epoch"], 1);
    host.told("a park", |command| {
        matches!(command, Command::Park(park) if park.agent == agent && park.epoch == 1
            && json!(park.checkpoint.id) == checkpoint)
    })
    .await;
    assert_eq!(host.seen().sockets[0]["x-claw-epoch"], "1");
    // A second one goes where the first is.
    open(by_token(&cloud, &agent.to_string(), &cloud.bootstrap.token)).await;
    assert_eq!(cloud.agent(agent).await["version"], row["version"]);
    assert_eq!(host.starts_of(agent).len(), 1);
}

#[tokio::test]
async fn a_ticket_can_wake_an_agent_once() {
    let (cloud, _host) = Cloud::start().await;
    let agent = cloud.suspended().await;
    let made = cloud.post(&format!("/v1/agents/{agent}/tickets"), json!({ "wake": true })).await;
    let ticket: Value = made.json().await.unwrap();
    let mut socket = open(by_ticket(&cloud, &ticket)).await;
    assert_eq!(next(&mut socket).await, Message::text("hello"));
    assert_eq!(cloud.agent(agent).await["status"], "running");
    cloud.turn(&format!("/v1/agents/{agent}/suspend")).await;
    assert_eq!(closed(open(by_ticket(&cloud, &ticket)).await).await, close::TICKET);
    assert_eq!(cloud.agent(agent).await["status"], "suspended", "a ticket that is used up wakes nobody");
}

#[tokio::test]
async fn a_screen_is_shown_by_another_host_when_one_cannot() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.suspended().await;
    let other = FakeHost::start(&cloud).await;
    other.register(&cloud).await;
    host.seen().answers.push_back(refused(RefusalCode::Internal));
    let mut socket = open(by_token(&cloud, &agent.to_string(), &cloud.bootstrap.token)).await;
    assert_eq!(next(&mut socket).await, Message::text("hello"));
    assert_eq!(cloud.agent(agent).await["host"], other.id.to_string());
    // And when none can, it is to come back.
    let second = cloud.suspended().await;
    drop((host, other));
    let socket = open(by_token(&cloud, &second.to_string(), &cloud.bootstrap.token)).await;
    assert_eq!(closed(socket).await, close::MOVING);
    assert_eq!(cloud.agent(second).await["status"], "suspended");
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_says_come_back() {
    let (cloud, host) = Cloud::start().await;
    let agent = id(&cloud.spawn().await);
    drop(host);
    let socket = open(by_token(&cloud, &agent, &cloud.bootstrap.token)).await;
    assert_eq!(closed(socket).await, close::MOVING);
}
