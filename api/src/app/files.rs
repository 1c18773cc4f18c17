//! Files of agents: passed through from and to their hosts, or read from their checkpoints.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use wire::{
    AgentId,
    access::Scope,
    agent::{Page, Status},
    checkpoint::CheckpointKind,
    file::{FileEntry, MAX_FILE_BYTES, MAX_LISTING},
    host::RefusalCode,
    problem::Code,
};

use super::{App, access::Caller, tickets::ended};
use crate::{
    domain::agent::Agent,
    error::Error,
    hosts::{HostError, Read, Streamed, To},
};

/// Largest listing taken from a host, bytes: every entry with a path of the longest kind.
const MAX_LISTING_BYTES: usize = MAX_LISTING * (MAX_PATH_BYTES + 256);
/// Longest path below `/work`, bytes.
const MAX_PATH_BYTES: usize = 4096;
/// Longest part of a path, bytes: what Linux file systems take.
const MAX_PART_BYTES: usize = 255;
/// A client that sends nothing of an upload for this long is gone.
const IDLE: Duration = Duration::from_secs(30);
/// How long a write waits for an agent to be back.
const AWAKE: Duration = Duration::from_secs(15);

impl App {
    /// Reads something of an agent, from its host or from its checkpoint.
    pub(crate) async fn read(&self, caller: &Caller, id: AgentId, read: Read) -> Result<Streamed, Error> {
        caller.need(Scope::AgentsRead)?;
        match &read {
            Read::File { path, .. } => check(path, false)?,
            Read::Files { prefix, cursor, .. } => {
                check(prefix, true)?;
                check(cursor.as_deref().unwrap_or(""), true)?;
            }
            Read::Logs { .. } => {}
        }
        let agent = self.owned(caller, id).await?;
        if !is_kept(&agent) {
            let to = self.placed(&agent)?;
            return self.hosts.read(&to, id, read).await.map_err(from_host);
        }
        match read {
            Read::File { path, range } => self.kept_file(&agent, &path, range.as_deref()).await,
            Read::Files { prefix, cursor, limit } => {
                let page = self.kept_files(&agent, &prefix, cursor.as_deref(), limit).await?;
                let body = serde_json::to_vec(&page).map_err(Error::internal)?.into();
                Ok(Streamed { status: StatusCode::OK, headers: HeaderMap::new(), body })
            }
            Read::Logs { after, level, .. } => self.kept_logs(&agent, after, level).await,
        }
    }

    /// One page of a workspace's entries, by path.
    pub(crate) async fn list_files(
        &self,
        caller: &Caller,
        id: AgentId,
        prefix: String,
        cursor: Option<String>,
    ) -> Result<Page<FileEntry>, Error> {
        let read = Read::Files { prefix, cursor, limit: MAX_LISTING };
        let listing = self.read(caller, id, read).await?;
        let listing = axum::body::to_bytes(listing.body, MAX_LISTING_BYTES).await.map_err(Error::internal)?;
        serde_json::from_slice(&listing).map_err(Error::internal)
    }

    /// Writes a file whole; `length` is what the client said it sends. Durable when this returns, where the
    /// agent can be checkpointed at all.
    pub(crate) async fn write_file(
        self: &Arc<Self>,
        caller: &Caller,
        id: AgentId,
        path: &str,
        body: Body,
        length: Option<u64>,
    ) -> Result<FileEntry, Error> {
        caller.need(Scope::AgentsWrite)?;
        check(path, false)?;
        let agent = self.owned(caller, id).await?;
        if length.is_some_and(|length| length > MAX_FILE_BYTES) {
            return Err(too_large());
        }
        let agent = self.awake(agent).await?;
        let to = self.placed(&agent)?;
        let (body, exceeded) = bounded(body);
        let written = self.hosts.write_file(&to, id, path, body).await;
        if exceeded.load(Ordering::Relaxed) {
            return Err(too_large());
        }
        let entry = written.map_err(from_host)?;
        points::reach(points::Point::Written, [id]).await;
        self.keep(&agent).await?;
        Ok(entry)
    }

    /// Removes a file or a directory. Durable when this returns, like a write.
    pub(crate) async fn delete_file(
        self: &Arc<Self>,
        caller: &Caller,
        id: AgentId,
        path: &str,
    ) -> Result<(), Error> {
        caller.need(Scope::AgentsWrite)?;
        check(path, false)?;
        let agent = self.awake(self.owned(caller, id).await?).await?;
        let to = self.placed(&agent)?;
        self.hosts.delete_file(&to, id, path).await.map_err(from_host)?;
        self.keep(&agent).await
    }

    /// An agent once it runs: a suspended one is resumed for what is to be done to it.
    async fn awake(self: &Arc<Self>, mut agent: Agent) -> Result<Agent, Error> {
        let until = Instant::now() + AWAKE;
        let passing =
            |agent: &Agent| matches!(agent.status, Status::Suspending | Status::Resuming | Status::Migrating);
        loop {
            agent = self.wake(agent).await?;
            if !passing(&agent) {
                return Ok(agent);
            }
            agent = self.wait_for(agent, until, |agent| !passing(agent)).await?;
            if passing(&agent) {
                let detail = format!("the agent is {} and not back yet", agent.status.as_str());
                return Err(Error::with(Code::Unavailable, detail).retry_after(Duration::from_secs(1)));
            }
        }
    }

    /// Has the host commit what was written.
    async fn keep(self: &Arc<Self>, agent: &Agent) -> Result<(), Error> {
        if !agent.spec.suspendable {
            return Ok(());
        }
        let kept = self.take_checkpoint(agent, CheckpointKind::Automatic, None).await;
        kept.map(drop).map_err(|error| {
            let why = error.detail.as_deref().unwrap_or("its host did not answer");
            let detail = format!("it is done and not durable yet, so that a crash could undo it: {why}");
            Error { source: error.source.clone(), ..Error::with(Code::Unavailable, detail) }
                .retry_after(Duration::from_secs(1))
        })
    }

    /// The host an agent runs on.
    pub(crate) fn placed(&self, agent: &Agent) -> Result<To, Error> {
        match (agent.status, agent.host) {
            (status, _) if status.is_final() => Err(ended(agent)),
            (Status::Running | Status::Suspending, Some(host)) => self.fleet.to(host).ok_or_else(|| {
                Error::with(Code::Unavailable, "the agent's host is lost").retry_after(Duration::from_secs(1))
            }),
            (status, _) => Err(not_running(status)),
        }
    }
}

/// An agent on its way to running is worth another try; one that rests is not.
pub(super) fn not_running(status: Status) -> Error {
    let error =
        Error::with(Code::InvalidState, format!("the agent is {}; this needs it running", status.as_str()));
    match status {
        Status::Pending | Status::Starting | Status::Resuming | Status::Migrating => {
            error.retry_after(Duration::from_secs(1))
        }
        _ => error,
    }
}

/// Whether all there is of an agent is its checkpoint.
fn is_kept(agent: &Agent) -> bool {
    let nowhere = matches!(agent.status, Status::Suspended | Status::Resuming | Status::Migrating);
    nowhere && agent.checkpoint.is_some()
}

fn too_large() -> Error {
    Error::with(Code::TooLarge, format!("a file may have {MAX_FILE_BYTES} bytes"))
}

/// A body that ends with an error beyond the bound, or when its sender stalls; the flag says which.
fn bounded(body: Body) -> (Body, Arc<AtomicBool>) {
    let exceeded = Arc::new(AtomicBool::new(false));
    let (flag, seen) = (exceeded.clone(), AtomicU64::new(0));
    let stream = body.into_data_stream().timeout(IDLE).map(move |chunk| {
        let chunk = chunk.map_err(std::io::Error::other)?.map_err(std::io::Error::other)?;
        let total = seen.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
        if total > MAX_FILE_BYTES {
            flag.store(true, Ordering::Relaxed);
            return Err(std::io::Error::other("file too large"));
        }
        Ok(chunk)
    });
    (Body::from_stream(stream), exceeded)
}

/// Refuses a path that could mean anything outside of the workspace, or two things.
fn check(path: &str, may_be_empty: bool) -> Result<(), Error> {
    let refuse = |detail: &str| Err(Error::field("/path", detail));
    if path.is_empty() {
        return if may_be_empty { Ok(()) } else { refuse("must not be empty") };
    }
    if path.len() > MAX_PATH_BYTES {
        return refuse("must be at most 4096 bytes");
    }
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return refuse("must not contain control characters or backslashes");
    }
    // A listing's prefix may end in the middle of a name or with a slash.
    let parts = if may_be_empty { path.trim_end_matches('/') } else { path };
    for part in parts.split('/') {
        if part.is_empty() || part == "." || part == ".." {
            return refuse("must be relative to /work, without empty, `.` or `..` parts");
        }
        if part.len() > MAX_PART_BYTES {
            return refuse("each part must be at most 255 bytes");
        }
    }
    Ok(())
}

/// What a host's refusal means to the client.
pub(crate) fn from_host(error: HostError) -> Error {
    let gone = || {
        Error::with(Code::Unavailable, "the agent's host cannot be reached")
            .retry_after(Duration::from_secs(1))
    };
    match error {
        HostError::Unreachable(_) | HostError::NoAnswer(_) => {
            Error { source: Some(std::sync::Arc::new(error)), ..gone() }
        }
        // Its row is about to say so.
        HostError::Gone => Error::with(Code::EpochChanged, "the agent's host does not have it"),
        HostError::Refused(refusal) => match refusal.code {
            RefusalCode::StaleEpoch => Error::new(Code::EpochChanged),
            RefusalCode::StoreUnavailable => {
                Error::with(Code::Unavailable, format!("no checkpoint could be stored: {}", refusal.detail))
                    .retry_after(Duration::from_secs(1))
            }
            RefusalCode::Internal => Error::internal(HostError::Refused(refusal)),
            _ => Error::with(Code::InvalidState, refusal.detail),
        },
        HostError::Problem(problem) => match problem.code {
            // Ours to be right about, so not the client's mistake.
            Code::Unauthenticated | Code::Internal => Error::internal(HostError::Problem(problem)),
            code => Error {
                detail: problem.detail.map(Into::into),
                errors: problem.errors,
                retry_after: problem.retry_after_ms.map(Duration::from_millis),
                ..Error::new(code)
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_below_the_workspace_pass() {
        for fine in ["a", "a/b.txt", "ä ö/€", "..a", "a..", "a/...", "-"] {
            assert!(check(fine, false).is_ok(), "{fine}");
        }
        let long = "a".repeat(256);
        for wrong in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            "a\nb",
            "a\\..\\b",
            &long,
        ] {
            assert!(check(wrong, false).is_err(), "{wrong}");
        }
        assert!(check(&"a/".repeat(3000), true).is_err());
        assert!(check("", true).is_ok() && check("a/b/", true).is_ok());
        assert!(check("../", true).is_err() && check("/", true).is_err());
    }

    #[tokio::test]
    async fn an_upload_ends_at_its_bound() {
        let chunk = bytes::Bytes::from(vec![0; 1024 * 1024]);
        let chunks = std::iter::repeat_n(chunk, 65).map(Ok::<_, std::io::Error>);
        let (body, exceeded) = bounded(Body::from_stream(tokio_stream::iter(chunks)));
        assert!(axum::body::to_bytes(body, usize::MAX).await.is_err());
        assert!(exceeded.load(Ordering::Relaxed));
    }
}
