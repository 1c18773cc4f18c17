//! `claw ls`, `get` and `rm`.

use wire::{
    agent::{Agent, OnDrain, Status},
    message::Recipient,
};

use crate::{
    cli::{Get, Ls, Rm},
    client::Client,
    failure::Failure,
    output::{Output, ago},
};

use super::pair;

/// Lists agents, newest first.
pub(crate) async fn list(client: &Client, args: Ls, out: Output) -> Result<(), Failure> {
    let live: Vec<_> = Status::ALL.into_iter().filter(|s| !s.is_final()).map(Status::as_str).collect();
    let mut query: Vec<(String, String)> = Vec::new();
    match (args.status, args.all) {
        (Some(status), _) => query.push(("status".to_owned(), status)),
        (None, false) => query.push(("status".to_owned(), live.join(","))),
        (None, true) => {}
    }
    query.extend(args.name.map(|name| ("name".to_owned(), name)));
    for metadata in &args.metadata {
        let (key, value) = pair("--metadata", metadata)?;
        query.push((format!("metadata.{key}"), value.to_owned()));
    }
    let query: Vec<_> = query.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let agents: Vec<Agent> = client.list("/v1/agents", &query, args.limit).await?;
    if out.json {
        return out.document(&agents);
    }
    if args.quiet {
        return agents.iter().try_for_each(|agent| out.line(&agent.id.to_string()));
    }
    let row = |agent: &Agent| {
        [agent.id.to_string(), agent.name.clone(), agent.image.clone(), status(agent), ago(agent.created_at)]
    };
    out.table(["ID", "NAME", "IMAGE", "STATUS", "AGE"], &agents.iter().map(row).collect::<Vec<_>>())
}

/// Shows an agent.
pub(crate) async fn get(client: &Client, args: Get, out: Output) -> Result<(), Failure> {
    let mut agent = client.agent(&args.agent).await?;
    if let Some(wanted) = args.wait_for {
        let known = || Status::ALL.map(Status::as_str).join(", ");
        let wanted = Status::parse(&wanted)
            .ok_or_else(|| Failure::Usage(format!("--wait-for: one of {}", known())))?;
        agent = client.wait_for(agent.id, wanted, args.timeout).await?;
        if agent.status != wanted && !agent.status.is_final() {
            return Err(Failure::Timeout(format!(
                "{} is {} after {} s",
                agent.name,
                agent.status.as_str(),
                args.timeout
            )));
        }
        if agent.status != wanted {
            crate::client::check_live(&agent)?;
        }
    }
    if out.json {
        return out.document(&agent);
    }
    out.table(["AGENT", ""], &rows(&agent))
}

/// What a person is shown of an agent.
fn rows(agent: &Agent) -> Vec<[String; 2]> {
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let limits = &agent.limits;
    let suspendable = match (agent.suspendable, agent.on_drain) {
        (true, _) => "yes",
        (false, OnDrain::Restart) => "no; starts anew when its host is drained",
        (false, OnDrain::Finish) => "no; ends when its host is drained",
    };
    let recipient = |to: &Recipient| match to {
        Recipient::Tenant => "tenant".to_owned(),
        Recipient::Agent(id) => id.to_string(),
    };
    let send_to: Vec<_> = agent.send_to.iter().map(recipient).collect();
    let egress: Vec<_> = agent.egress.iter().map(ToString::to_string).collect();
    let parent = agent.parent.map(|from| format!("{} at {}", from.agent, from.checkpoint));
    let mut rows = vec![
        ["id".to_owned(), agent.id.to_string()],
        ["name".to_owned(), agent.name.clone()],
        ["image".to_owned(), format!("{} ({})", agent.image, agent.image_digest)],
        ["status".to_owned(), status(agent)],
        ["host".to_owned(), text(agent.host.map(|host| host.to_string()))],
        ["epoch".to_owned(), agent.epoch.to_string()],
        ["suspendable".to_owned(), suspendable.to_owned()],
        ["checkpoint".to_owned(), text(agent.checkpoint.map(|id| id.to_string()))],
        ["parent".to_owned(), text(parent)],
        ["wakes".to_owned(), text(agent.wakes_at.map(|at| at.to_string()))],
        ["idle timeout".to_owned(), text(agent.idle_timeout_seconds.map(|seconds| format!("{seconds} s")))],
        ["sends to".to_owned(), text(Some(send_to.join(" ")).filter(|to| !to.is_empty()))],
        ["requests to".to_owned(), text(Some(egress.join(" ")).filter(|to| !to.is_empty()))],
        ["memory".to_owned(), format!("{} MiB", limits.memory_mib)],
        ["workspace".to_owned(), format!("{} MiB", limits.disk_mib)],
        ["fuel".to_owned(), format!("{} a second", limits.fuel_per_second)],
        ["created".to_owned(), format!("{} ({} ago)", agent.created_at, ago(agent.created_at))],
        ["ends".to_owned(), text(agent.expires_at.map(|at| at.to_string()))],
        ["terminal".to_owned(), agent.terminal_url.clone()],
    ];
    rows.extend(agent.metadata.iter().map(|(key, value)| [format!("metadata.{key}"), value.clone()]));
    rows
}

/// Ends agents; every one is tried, and the first failure is the verb's.
pub(crate) async fn remove(client: &Client, args: Rm, out: Output) -> Result<(), Failure> {
    let mut first = None;
    let mut ended = Vec::new();
    for name in &args.agents {
        match remove_one(client, name, &args).await {
            Ok(agent) if out.json => ended.push(agent),
            Ok(agent) => out.line(&agent.id.to_string())?,
            Err(failure) if first.is_none() => first = Some(failure),
            Err(failure) => failure.report(out.json),
        }
    }
    if out.json {
        out.document(&ended)?;
    }
    first.map_or(Ok(()), Err)
}

async fn remove_one(client: &Client, name: &str, args: &Rm) -> Result<Agent, Failure> {
    let agent = client.agent(name).await?;
    let ending = client.delete(&format!("/v1/agents/{}", agent.id)).await?;
    if args.no_wait || !ending {
        return Ok(agent);
    }
    let agent = client.wait_for(agent.id, Status::Terminated, args.wait).await?;
    if agent.status.is_final() {
        return Ok(agent);
    }
    Err(Failure::Timeout(format!("{} is {} after {} s", agent.name, agent.status.as_str(), args.wait)))
}

/// A status with its reason.
pub(crate) fn status(agent: &Agent) -> String {
    let reason = agent.status_reason.and_then(|reason| serde_json::to_value(reason).ok());
    let reason = reason.as_ref().and_then(|reason| reason.as_str()).map(|reason| reason.replace('_', " "));
    let reason = agent.status_detail.clone().or(reason).filter(|_| agent.status != Status::Running);
    match reason {
        Some(reason) => format!("{} ({reason})", agent.status.as_str()),
        None => agent.status.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(more: serde_json::Value) -> Agent {
        let mut agent = serde_json::json!({
            "id": wire::AgentId::new(), "tenant": wire::TenantId::new(), "name": "a", "image": "shell",
            "image_digest": format!("sha256:{}", "0".repeat(64)), "status": "running", "desired_status": "running",
            "epoch": 1, "version": 1, "suspendable": true, "limits": {}, "metadata": {}, "terminal_url": "/",
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        });
        agent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(agent).unwrap()
    }

    #[track_caller]
    fn check(agent: &Agent, key: &str, expected: &str) {
        let rows = rows(agent);
        let row = rows.iter().find(|[name, _]| name == key);
        assert_eq!(row.map(|[_, value]| value.as_str()), Some(expected));
    }

    #[test]
    fn an_agent_shows_what_it_goes_on_from_and_when_it_wakes() {
        let (parent, checkpoint) = (wire::AgentId::new(), wire::CheckpointId::new());
        let forked = agent(serde_json::json!({
            "status": "suspended", "checkpoint": checkpoint, "wakes_at": "2026-02-01T00:00:00Z",
            "parent": { "agent": parent, "checkpoint": checkpoint }, "send_to": ["tenant", parent],
            "idle_timeout_seconds": 90,
        }));
        check(&forked, "checkpoint", &checkpoint.to_string());
        check(&forked, "parent", &format!("{parent} at {checkpoint}"));
        check(&forked, "wakes", "2026-02-01T00:00:00Z");
        check(&forked, "sends to", &format!("tenant {parent}"));
        check(&forked, "idle timeout", "90 s");
        check(&forked, "suspendable", "yes");
    }

    #[test]
    fn one_that_cannot_be_suspended_says_what_a_drain_does() {
        let plain = agent(serde_json::json!({ "suspendable": false }));
        check(&plain, "suspendable", "no; starts anew when its host is drained");
        check(&plain, "checkpoint", "-");
        check(&plain, "sends to", "-");
        let finish = agent(serde_json::json!({ "suspendable": false, "on_drain": "finish" }));
        check(&finish, "suspendable", "no; ends when its host is drained");
    }
}
