//! Requests in flight, while their agents are suspended, move, are forked and are lost. What may be done twice is; what
//! may not is done once, and where nobody knows, that is what the agent is told.

use cloud_tests::{Cloud, Terminal, cloud::Setup};
use reqwest::StatusCode;
use serde_json::{Value, json};
use wire::agent::{Agent, Status};

mod kills;
mod server;

use server::Server;

async fn cloud(apart: bool) -> Cloud {
    Cloud::with(Setup { images: vec!["shell"], reaches_loopback: true, apart, ..Setup::default() }).await
}

/// A shell that may send requests to a server.
async fn shell(cloud: &Cloud, server: &Server, more: Value) -> (Agent, Terminal) {
    let (host, port) = (server.address.ip(), server.address.port());
    let rule = json!({ "scheme": "http", "host": host, "port": port, "methods": ["GET", "POST"] });
    let mut spec = json!({ "image": "shell", "egress": [rule] });
    spec.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let agent = cloud.spawn(spec).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    (agent, terminal)
}

/// Two shells with a request in flight, the first of them to the server first: one writes, and does `rest` when it has
/// its answer; the other reads.
async fn in_flight(cloud: &Cloud, server: &Server, rest: &str) -> [(Agent, Terminal); 2] {
    let mut paying = shell(cloud, server, Value::Null).await;
    paying.1.run(&format!("curl -d pay http://{}/{rest}", server.address)).await;
    server.wait_for(1).await;
    let mut reading = shell(cloud, server, Value::Null).await;
    reading.1.run(&format!("curl http://{}/", server.address)).await;
    server.wait_for(2).await;
    [paying, reading]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_finds_its_agent_suspended_and_wakes_it() {
    let (cloud, server) = (cloud(false).await, Server::start().await);
    let (agent, mut terminal) = shell(&cloud, &server, Value::Null).await;
    terminal.run(&format!("curl -d hello http://{}/first", server.address)).await;
    let seen = server.wait_for(1).await;
    assert!(seen[0].head.starts_with("post /first http/1.1\r\n") && seen[0].body == "hello", "{seen:?}");
    let key = seen[0].header("idempotency-key").unwrap_or_default();
    assert!(key.starts_with(&agent.id.to_string().to_ascii_lowercase()), "{key}");
    let (status, body) = cloud.act(&agent, "suspend", &Value::Null).await;
    assert!(status.is_success(), "{body}");
    let rests = cloud.wait_for(&agent, |now| now.status == Status::Suspended).await;
    assert!(rests.wakes_at.is_some(), "it wakes also when no answer comes");
    server.answer(1);
    cloud.wait_for(&agent, |now| now.status == Status::Running).await;
    cloud.terminal(&agent).await.wait_line("answer 0").await;
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_stops_waits_for_answers_of_agents_that_moved() {
    let (mut cloud, server) = (cloud(false).await, Server::start().await);
    let then = format!("; curl http://{}/", server.address);
    let [(agent, _terminal), (reading, _watch)] = in_flight(&cloud, &server, &then).await;
    cloud.add_host().await;
    let outside = async {
        // By the host that goes on with what was read.
        server.wait_for(3).await;
        server.answer(9);
    };
    tokio::join!(cloud.stop_host(), outside);
    let moved = cloud.wait_for(&agent, |now| now.status == Status::Running && now.epoch > agent.epoch).await;
    assert_ne!(moved.host, agent.host);
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line("answer 0").await;
    cloud.terminal(&reading).await.wait("answer").await;
    // And the shell went on behind it.
    terminal.wait_line(&format!("answer {}", server.wait_for(4).await.len() - 1)).await;
    assert_eq!(posts(&server), ["pay"]);
}

/// What was written.
fn posts(server: &Server) -> Vec<String> {
    let posts = server.seen().into_iter().filter(|seen| seen.head.starts_with("post "));
    posts.map(|seen| seen.body).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_host_may_have_done_is_unknown_and_not_done_again() {
    let (mut cloud, server) = (cloud(true).await, Server::start().await);
    let [(paying, _terminal), (reading, _watch)] = in_flight(&cloud, &server, "; echo status $?").await;
    // A checkpoint holds what is in flight.
    for agent in [&paying, &reading] {
        assert_eq!(cloud.act(agent, "checkpoints", &Value::Null).await.0, StatusCode::CREATED);
    }
    cloud.kill(false, true, &[]).await;
    cloud.start_host().await;
    for agent in [&paying, &reading] {
        cloud.wait_for(agent, |now| now.status == Status::Running && now.epoch > agent.epoch).await;
    }
    let mut terminal = cloud.terminal(&paying).await;
    terminal.wait("outcome unknown").await;
    terminal.wait_line("status 52").await;
    server.wait_for(3).await;
    server.answer(9);
    cloud.terminal(&reading).await.wait("answer").await;
    assert_eq!(posts(&server), ["pay"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_reads_again_and_does_not_write_again() {
    let (cloud, server) = (cloud(false).await, Server::start().await);
    let [(paying, mut terminal), (reading, mut watch)] = in_flight(&cloud, &server, "").await;
    let mut forks = Vec::new();
    for agent in [&paying, &reading] {
        let (status, body) = cloud.act(agent, "forks", &json!({})).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let fork: Agent = serde_json::from_value(body["results"][0]["agent"].clone()).unwrap();
        forks.push(cloud.wait_for(&fork, |now| now.status == Status::Running).await);
    }
    cloud.terminal(&forks[0]).await.wait("cancelled: forked").await;
    server.wait_for(3).await;
    server.answer(9);
    terminal.wait_line("answer 0").await;
    watch.wait_line("answer 1").await;
    cloud.terminal(&forks[1]).await.wait_line("answer 2").await;
    assert_eq!(posts(&server), ["pay"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_what_it_wrote_may_rest_and_who_waits_for_what_it_reads_may_not() {
    let (cloud, server) = (cloud(false).await, Server::start().await);
    let idle = json!({ "idle_timeout_seconds": 1 });
    let (reading, mut watch) = shell(&cloud, &server, idle.clone()).await;
    watch.run(&format!("curl http://{}/", server.address)).await;
    server.wait_for(1).await;
    let (paying, mut terminal) = shell(&cloud, &server, idle).await;
    terminal.run(&format!("curl -d pay http://{}/", server.address)).await;
    cloud.wait_for(&paying, |now| now.status == Status::Suspended).await;
    let stays = cloud.agent(&reading).await;
    assert_eq!((stays.status, stays.epoch), (Status::Running, reading.epoch), "idle longer than the other");
    server.answer(2);
    watch.wait_line("answer 0").await;
    // Its terminal was parked with it.
    terminal.wait_line("answer 1").await;
    cloud.wait_for(&reading, |now| now.status == Status::Suspended).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_reached_that_is_not_granted_and_nothing_private_that_is() {
    let server = Server::start().await;
    let cloud = Cloud::with(Setup { images: vec!["shell"], ..Setup::default() }).await;
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    let command = format!("curl http://{}/; echo status $?", server.address);
    terminal.run(&command).await;
    terminal.wait("no egress rule").await;
    terminal.wait_line("status 7").await;
    let (_agent, mut terminal) = shell(&cloud, &server, Value::Null).await;
    terminal.run(&command).await;
    terminal.wait("127.0.0.1 is at a loopback address").await;
    terminal.wait_line("status 56").await;
    assert_eq!(server.seen().len(), 0);
}
