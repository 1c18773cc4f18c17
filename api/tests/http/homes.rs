//! What hosts keep of agents: when it is removed, and when an agent waits for it.

use serde_json::Value;
use wire::{
    AgentId, Incarnation,
    agent::{Status, StatusReason},
    host::{Command, RefusalCode, Report, ReportEvent},
};

use crate::{
    harness::{Cloud, LONG, id},
    host::{FakeHost, refused},
};

fn agent_id(agent: &Value) -> AgentId {
    id(agent).parse().unwrap()
}

fn ended(agent: &Value, epoch: u64) -> Report {
    let event = ReportEvent::Ended {
        status: Status::Failed,
        reason: StatusReason::GuestTrap,
        detail: "unreachable".to_owned(),
    };
    Report { agent: agent_id(agent), epoch, event }
}

fn released(agent: &Value) -> Report {
    Report { agent: agent_id(agent), epoch: 1, event: ReportEvent::Released {} }
}

/// Whether a host was told to remove an agent's workspace.
async fn purged(host: &FakeHost, agent: &Value) {
    let purge =
        |c: &Command| matches!(c, Command::Stop { agent: of, purge: true, .. } if *of == agent_id(agent));
    let told = async {
        while !host.seen().commands.iter().any(purge) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, told).await.expect("the workspace was not removed");
}

#[tokio::test]
async fn an_agent_that_ends_leaves_no_workspace_behind() {
    let (cloud, mut host) = Cloud::start().await;
    let (ended_itself, lost, restarted) = (cloud.spawn().await, cloud.spawn().await, cloud.spawn().await);
    host.report(&cloud, ended(&ended_itself, 1)).await;
    purged(&host, &ended_itself).await;

    host.report(&cloud, released(&restarted)).await;
    host.seen().starts.push_back(refused(RefusalCode::Trap));
    host.incarnation = Incarnation::new();
    host.register(&cloud).await;
    purged(&host, &lost).await;
    cloud.agent_once(&id(&restarted), "failed").await;
    purged(&host, &restarted).await;
}
