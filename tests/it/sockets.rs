//! Terminals over WebSockets: every byte in order and once, whoever reads, lags, leaves or comes back.

use cloud_tests::{
    Cloud, Terminal,
    terminal::{Request, request},
};
use reqwest::header::AUTHORIZATION;
use serde_json::json;
use wire::{
    access::Role,
    agent::Agent,
    terminal::{ClientControl, From, PROTOCOL, ServerControl},
};

mod bytes;
mod doors;
mod endings;
mod malformed;
mod people;
mod slow;
mod typing;

/// Before the first byte of a first placement.
const BEGIN: From = From::Position { generation: 1, offset: 0 };

async fn hello(cloud: &Cloud) -> Agent {
    cloud.spawn(json!({ "image": "hello", "name": "Ada" })).await
}

async fn hostile(cloud: &Cloud, attack: &str) -> Agent {
    cloud.spawn(json!({ "image": "hostile", "config": { "attack": attack } })).await
}

/// A socket that sees everything from the first byte on.
async fn from_begin(cloud: &Cloud, agent: &Agent, role: Role) -> Terminal {
    let mut terminal = cloud.socket(agent, role).await;
    terminal.attach_at(BEGIN, Some("begin")).await;
    terminal
}

/// An upgrade request with a token instead of a ticket, and no origin.
fn with_token(cloud: &Cloud, agent: impl std::fmt::Display) -> Request {
    let url = format!("{}/v1/agents/{agent}/socket", cloud.url.replacen("http", "ws", 1));
    let mut request = request(&url, &[PROTOCOL.to_owned()], None).unwrap();
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {}", cloud.token).parse().unwrap());
    request
}

/// Waits for an answer to a ping: everything sent before it was read.
async fn ping(terminal: &mut Terminal) {
    terminal.send(&ClientControl::Ping {}).await;
    terminal.wait_control(|message| matches!(message, ServerControl::Pong {}).then_some(())).await;
}

/// Waits until these many sockets are there.
async fn presence(terminal: &mut Terminal, operators: u32, viewers: u32) {
    let wanted = ServerControl::Presence { operators, viewers };
    terminal.wait_control(|message| (*message == wanted).then_some(())).await;
}
