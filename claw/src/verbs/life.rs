//! `claw suspend`, `resume`, `checkpoint`, `checkpoints`, `restore`, `fork` and `send`.

use std::io::Read as _;

use reqwest::Method;
use wire::{
    agent::{Agent, Status},
    checkpoint::{Checkpoint, CheckpointRequest, ForkRequest, ForkResult, Forks, RestoreRequest},
    message::{MAX_MESSAGE_BYTES, MessageAccepted},
};

use crate::{
    cli::{CheckpointNow, Checkpoints, Fork, OneAgent, Restore, Send},
    client::Client,
    failure::Failure,
    output::{Output, ago},
};

/// How long a change of status is waited for, seconds.
const PATIENCE: u64 = 30;

async fn become_(
    client: &Client,
    name: &str,
    verb: &str,
    status: Status,
    out: Output,
) -> Result<(), Failure> {
    let agent = client.agent(name).await?;
    let path = format!("/v1/agents/{}/{verb}", agent.id);
    let request = client.request(Method::POST, &path).header("prefer", format!("wait={PATIENCE}"));
    client.send(request).await?;
    let agent = client.wait_for(agent.id, status, PATIENCE).await?;
    if agent.status != status {
        return Err(Failure::Timeout(format!("{} is {}", agent.name, super::agents::status(&agent))));
    }
    if out.json { out.document(&agent) } else { out.line(&agent.id.to_string()) }
}

/// Suspends an agent; done when its checkpoint is durable.
pub(crate) async fn suspend(client: &Client, args: OneAgent, out: Output) -> Result<(), Failure> {
    become_(client, &args.agent, "suspend", Status::Suspended, out).await
}

/// Brings a suspended agent back.
pub(crate) async fn resume(client: &Client, args: OneAgent, out: Output) -> Result<(), Failure> {
    become_(client, &args.agent, "resume", Status::Running, out).await
}

/// Takes a checkpoint that is kept until it is deleted.
pub(crate) async fn checkpoint(client: &Client, args: CheckpointNow, out: Output) -> Result<(), Failure> {
    let agent = client.agent(&args.agent).await?;
    let path = format!("/v1/agents/{}/checkpoints", agent.id);
    let request = client.request(Method::POST, &path).json(&CheckpointRequest { note: args.note });
    let taken: Checkpoint = client.json(request).await?;
    if out.json { out.document(&taken) } else { out.line(&taken.id.to_string()) }
}

/// Lists an agent's checkpoints, newest first.
pub(crate) async fn checkpoints(client: &Client, args: Checkpoints, out: Output) -> Result<(), Failure> {
    let agent = client.agent(&args.agent).await?;
    let path = format!("/v1/agents/{}/checkpoints", agent.id);
    let checkpoints: Vec<Checkpoint> = client.list(&path, &[], args.limit).await?;
    if out.json {
        return out.document(&checkpoints);
    }
    let row = |one: &Checkpoint| {
        [
            one.id.to_string(),
            one.kind.as_str().to_owned(),
            format!("{} KiB", one.size_bytes.div_ceil(1024)),
            format!("{} KiB", one.unique_bytes.div_ceil(1024)),
            ago(one.created_at),
            one.note.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = checkpoints.iter().map(row).collect();
    out.table(["ID", "KIND", "SIZE", "ITS OWN", "AGE", "NOTE"], &rows)
}

/// Takes an agent back to one of its checkpoints.
pub(crate) async fn restore(client: &Client, args: Restore, out: Output) -> Result<(), Failure> {
    let agent = client.agent(&args.agent).await?;
    let path = format!("/v1/agents/{}/restore", agent.id);
    let body = RestoreRequest { checkpoint: args.checkpoint };
    client.send(client.request(Method::POST, &path).json(&body)).await?;
    let agent = client.wait_for(agent.id, Status::Running, PATIENCE).await?;
    if out.json { out.document(&agent) } else { out.line(&agent.id.to_string()) }
}

/// Makes running copies of an agent.
pub(crate) async fn fork(client: &Client, args: Fork, out: Output) -> Result<(), Failure> {
    let agent = client.agent(&args.agent).await?;
    let path = format!("/v1/agents/{}/forks", agent.id);
    let from = serde_json::from_value(serde_json::Value::String(args.from.clone()));
    let from = from.map_err(|_| Failure::Usage("--from: now, latest or a checkpoint's id".to_owned()))?;
    let body = ForkRequest { count: args.count, from, name: args.name, ..ForkRequest::default() };
    let forks: Forks = client.json(client.request(Method::POST, &path).json(&body)).await?;
    if out.json {
        return out.document(&forks);
    }
    for result in &forks.results {
        match result {
            ForkResult::Agent { agent } => out.line(&agent.id.to_string())?,
            ForkResult::Problem { problem } => {
                eprintln!("not forked: {}", problem.detail.as_deref().unwrap_or(&problem.title));
            }
        }
    }
    Ok(())
}

/// Sends a message; done when it is durable.
pub(crate) async fn send(client: &Client, args: Send, out: Output) -> Result<(), Failure> {
    let agent: Agent = client.agent(&args.agent).await?;
    let body = match args.message.as_str() {
        "-" => {
            let mut body = Vec::new();
            // One byte more than may be: the API says what is too much.
            let mut input = std::io::stdin().take(MAX_MESSAGE_BYTES as u64 + 1);
            input
                .read_to_end(&mut body)
                .map_err(|error| Failure::Usage(format!("standard input: {error}")))?;
            body
        }
        text => text.as_bytes().to_vec(),
    };
    let path = format!("/v1/agents/{}/messages", agent.id);
    let mut request =
        client.request(Method::POST, &path).header("content-type", args.content_type).body(body);
    if let Some(key) = args.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let accepted: MessageAccepted = client.json(request).await?;
    if out.json { out.document(&accepted) } else { out.line(&accepted.message_id.to_string()) }
}
