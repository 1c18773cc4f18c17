//! No agent reaches the network by itself.

use cloud_tests::{Cloud, cloud::Setup};
use reqwest::Method;
use serde_json::{Value, json};
use wire::agent::Status;

/// What Python's `socket` says when every socket and every lookup is denied.
const DENIED: &str = "net tcp:EACCES udp:EACCES connect:EACCES name:EACCES";

fn denied(screen: &str) -> usize {
    screen.lines().filter(|line| *line == DENIED).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_socket_and_every_name_is_denied() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let attempt = format!("net {}", listener.local_addr().unwrap());
    let cloud = Cloud::with(Setup { images: vec!["machine-py"], ..Setup::default() }).await;
    let agent = cloud.spawn(json!({ "image": "machine-py" })).await;
    assert!(agent.suspendable, "importing sockets is no reason not to be");
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run(&attempt).await;
    terminal.wait_until("every attempt denied", |screen| denied(screen) == 1).await;
    // It keeps what it asked for names with, and asks again with that.
    for (verb, status) in [("suspend", Status::Suspended), ("resume", Status::Running)] {
        let path = format!("/v1/agents/{}/{verb}", agent.id);
        let (answer, body) = cloud.call(Method::POST, &path, &Value::Null).await;
        assert!(answer.is_success(), "{verb}: {body}");
        cloud.wait_for(&agent, |now| now.status == status).await;
    }
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run(&attempt).await;
    terminal.wait_until("every attempt denied again", |screen| denied(screen) == 2).await;
    let came = listener.accept().map(|(_, from)| from);
    assert_eq!(came.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
