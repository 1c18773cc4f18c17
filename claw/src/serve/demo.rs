//! The agent `claw up` shows: spawned once, and found again as long as it lives.

use wire::agent::{Agent, Page, SpawnRequest, Spawned, Status};

use crate::{
    client::{Client, check_live},
    failure::Failure,
};

const NAME: &str = "demo";
const IMAGE: &str = "shell";
/// Longest wait for it, seconds.
const WAIT: u64 = 30;

/// The demo agent, running.
pub(crate) async fn ensure(client: &Client) -> Result<Agent, Failure> {
    let live: Vec<_> = Status::ALL.into_iter().filter(|s| !s.is_final()).map(Status::as_str).collect();
    let live = live.join(",");
    let found: Page<Agent> = client.get("/v1/agents", &[("name", NAME), ("status", &live)]).await?;
    let agent = match found.data.into_iter().next() {
        Some(agent) if agent.status == Status::Running => agent,
        // It was here before this process was, and is being placed again.
        Some(agent) => client.wait_for(agent.id, Status::Running, WAIT).await?,
        None => {
            let request = SpawnRequest {
                image: IMAGE.to_owned(),
                name: Some(NAME.to_owned()),
                ..SpawnRequest::default()
            };
            let prefer = [("prefer", format!("wait={WAIT}"))];
            let spawned: Spawned = client.post("/v1/agents/spawn", &prefer, &request).await?;
            spawned.agent
        }
    };
    check_live(&agent)?;
    Ok(agent)
}
