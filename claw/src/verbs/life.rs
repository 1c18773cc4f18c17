//! `claw suspend`, `resume`, `checkpoint`, `checkpoints`, `checkpoint-rm`, `restore`, `fork`, `send` and `upgrade`.

use std::io::Read as _;

use reqwest::Method;
use wire::{
    CheckpointId,
    agent::{Agent, Status, UpgradeRequest},
    checkpoint::{Checkpoint, CheckpointRequest, ForkRequest, ForkResult, Forks, RestoreRequest},
    message::{MAX_MESSAGE_BYTES, MessageAccepted},
};

use crate::{
    cli::{CheckpointNow, CheckpointRm, Checkpoints, Fork, OneAgent, Restore, Send, Upgrade},
    client::{Client, check_live},
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
    client.act(request).await?;
    became(client, agent, status, out).await
}

/// Waits until an agent is what was asked for, and answers with it.
async fn became(client: &Client, agent: Agent, status: Status, out: Output) -> Result<(), Failure> {
    let agent = client.wait_for(agent.id, status, PATIENCE).await?;
    check_live(&agent)?;
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
    client.act(client.request(Method::POST, &path).json(&body)).await?;
    became(client, agent, Status::Running, out).await
}

/// Deletes checkpoints; every one is tried, and the first failure is the verb's.
pub(crate) async fn checkpoint_rm(client: &Client, args: CheckpointRm, out: Output) -> Result<(), Failure> {
    let mut first = None;
    let mut gone: Vec<CheckpointId> = Vec::new();
    for id in args.checkpoints {
        match client.delete(&format!("/v1/checkpoints/{id}")).await {
            Ok(_) if out.json => gone.push(id),
            Ok(_) => out.line(&id.to_string())?,
            Err(failure) if first.is_none() => first = Some(failure),
            Err(failure) => failure.report(out.json),
        }
    }
    if out.json {
        out.document(&gone)?;
    }
    first.map_or(Ok(()), Err)
}

/// Gives a running agent another version of its image; done when it runs that.
pub(crate) async fn upgrade(client: &Client, args: Upgrade, out: Output) -> Result<(), Failure> {
    let agent = client.agent(&args.agent).await?;
    let path = format!("/v1/agents/{}/upgrade", agent.id);
    let agent: Agent = client.post(&path, &[], &UpgradeRequest { image: args.image }).await?;
    if out.json { out.document(&agent) } else { out.line(&agent.id.to_string()) }
}

/// Makes running copies of an agent.
pub(crate) async fn fork(client: &Client, args: Fork, out: Output) -> Result<(), Failure> {
    let agent = client.agent(&args.agent).await?;
    let path = format!("/v1/agents/{}/forks", agent.id);
    let body = ForkRequest { count: args.count, from: args.from, name: args.name, ..ForkRequest::default() };
    let forks: Forks = client.json(client.request(Method::POST, &path).json(&body)).await?;
    if out.json {
        out.document(&forks)?;
    }
    // The first that was not made is the verb's failure; programs read the others where they are.
    let mut first = None;
    for result in forks.results {
        match result {
            ForkResult::Agent { .. } if out.json => {}
            ForkResult::Agent { agent } => out.line(&agent.id.to_string())?,
            ForkResult::Problem { problem } if first.is_none() => {
                first = Some(Failure::Problem(Box::new(problem)));
            }
            ForkResult::Problem { .. } if out.json => {}
            ForkResult::Problem { problem } => Failure::Problem(Box::new(problem)).report(false),
        }
    }
    first.map_or(Ok(()), Err)
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
                .map_err(|source| Failure::File { path: "standard input".into(), source })?;
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
