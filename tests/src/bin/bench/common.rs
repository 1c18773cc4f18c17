//! What several benchmarks do.

use std::sync::Arc;

use cloud_tests::{Cloud, Terminal};
use reqwest::StatusCode;
use serde_json::{Value, json};
use wire::agent::{Agent, Status};

/// Clients that make a fleet.
const CLIENTS: usize = 16;

/// A POST about an agent that must be accepted.
pub(crate) async fn post(cloud: &Cloud, agent: &Agent, verb: &str, body: Value) -> Value {
    let (status, body) = cloud.act(agent, verb, &body).await;
    assert!(status.is_success(), "{verb}: {status} {body}");
    body
}

/// Returns when it runs; the API tells, nobody polls.
pub(crate) async fn running(cloud: &Cloud, agent: &Agent) {
    let path = format!("/v1/agents/{}?wait_for=running&timeout_seconds=20", agent.id);
    let (status, body) = cloud.get(&path).await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("running")), "{body}");
}

pub(crate) async fn suspend(cloud: &Cloud, agent: &Agent) {
    post(cloud, agent, "suspend", json!(null)).await;
    assert_eq!(cloud.agent(agent).await.status, Status::Suspended);
}

/// An agent that does as it is told; see its source for the lines.
pub(crate) async fn load(cloud: &Cloud, image: &str, name: &str) -> (Agent, Terminal) {
    let limits = json!({ "fuel_per_second": 10_000_000_000_u64 });
    let agent = cloud.spawn(json!({ "image": image, "name": name, "limits": limits })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line("load ready").await;
    (agent, terminal)
}

/// Types a line and waits until it is done with.
pub(crate) async fn line(terminal: &mut Terminal, line: &str) {
    terminal.run(line).await;
    applied(terminal).await;
}

/// Waits until all that was typed is done with.
pub(crate) async fn applied(terminal: &mut Terminal) {
    while terminal.applied < terminal.sent {
        assert!(terminal.receive().await, "closed: {:?}", terminal.closed);
    }
}

/// Waits for the next byte of output.
pub(crate) async fn output(terminal: &mut Terminal) {
    let before = terminal.position.1;
    while terminal.position.1 == before {
        assert!(terminal.receive().await, "closed: {:?}", terminal.closed);
    }
}

/// Spawns so many shells from several clients.
pub(crate) async fn fleet(cloud: &Arc<Cloud>, count: usize, suspended: bool) -> Vec<Agent> {
    let shell = move |cloud: Arc<Cloud>, _| async move {
        let agent = cloud.spawn(json!({ "image": "shell" })).await;
        if suspended {
            suspend(&cloud, &agent).await;
        }
        agent
    };
    several(cloud, count, shell).await
}

/// Makes so many agents, each by its number, from several clients.
pub(crate) async fn several<F: Future<Output = Agent> + Send>(
    cloud: &Arc<Cloud>,
    count: usize,
    one: impl Fn(Arc<Cloud>, usize) -> F + Clone + Send + 'static,
) -> Vec<Agent> {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (cloud, one) = (cloud.clone(), one.clone());
            tokio::spawn(async move {
                let mut agents = Vec::new();
                for number in (client..count).step_by(CLIENTS) {
                    agents.push(one(cloud.clone(), number).await);
                }
                agents
            })
        })
        .collect();
    let mut agents = Vec::new();
    for client in clients {
        agents.extend(client.await.unwrap());
    }
    agents
}
