//! `/wire/v1/agents/{id}/files`: the workspace, for the API.

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use wire::{
    agent::Page,
    file::{ByteRange, FileEntry, MAX_LISTING},
    problem::Code,
};

use super::{AgentPath, Door, problem};
use crate::{
    agent::Shared,
    workspace::{Workspace, WorkspaceError},
};

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    prefix: String,
    cursor: Option<String>,
    limit: usize,
}

impl Default for Which {
    fn default() -> Self {
        Self { prefix: String::new(), cursor: None, limit: MAX_LISTING }
    }
}

/// Entries below a prefix.
pub(super) async fn list(
    State(door): State<Door>,
    Path(id): AgentPath,
    Query(which): Query<Which>,
) -> Result<Json<Page<FileEntry>>, Response> {
    let agent = door.agent(&id)?;
    let listed = workspace_of(&agent)?.list(&which.prefix, which.cursor.as_deref(), which.limit).await;
    let listing = listed.map_err(|error| refusal(&error))?;
    Ok(Json(Page { data: listing.entries, next_cursor: listing.next_cursor }))
}

/// A file's bytes, or the part that `Range` names.
pub(super) async fn read(
    State(door): State<Door>,
    Path((id, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let agent = door.agent(&id)?;
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(ByteRange::parse);
    let reading = workspace_of(&agent)?.read(&path, range).await.map_err(|error| refusal(&error))?;
    let (size, part) = (reading.entry().size_bytes, reading.range());
    let mut response = Response::new(Body::empty());
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, "application/octet-stream".to_owned());
    set(header::CONTENT_LENGTH, (part.end - part.start).to_string());
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    if range.is_some() {
        set(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1)));
    }
    *response.body_mut() = Body::from_stream(reading.into_stream());
    Ok(response)
}

/// Replaces a file in one step.
pub(super) async fn write(
    State(door): State<Door>,
    Path((id, path)): Path<(String, String)>,
    body: Body,
) -> Result<Json<FileEntry>, Response> {
    let agent = door.agent(&id)?;
    let written = workspace_of(&agent)?.write(&path, body.into_data_stream()).await;
    written.map(Json).map_err(|error| refusal(&error))
}

/// Removes a file, or a directory that is empty.
pub(super) async fn remove(
    State(door): State<Door>,
    Path((id, path)): Path<(String, String)>,
) -> Result<Response, Response> {
    let agent = door.agent(&id)?;
    workspace_of(&agent)?.delete(&path).await.map_err(|error| refusal(&error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A suspended agent's files are in its checkpoint.
#[expect(clippy::result_large_err, reason = "the error is the response")]
fn workspace_of(agent: &Shared) -> Result<Workspace, Response> {
    let rests = || problem(StatusCode::CONFLICT, Code::InvalidState, "the agent does not run here");
    agent.workspace().ok_or_else(rests)
}

fn refusal(error: &WorkspaceError) -> Response {
    let (status, code) = match error {
        WorkspaceError::NotFound => (StatusCode::NOT_FOUND, Code::NotFound),
        WorkspaceError::NoSpace { .. } | WorkspaceError::NoFiles { .. } => {
            (StatusCode::INSUFFICIENT_STORAGE, Code::WorkspaceFull)
        }
        WorkspaceError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge),
        WorkspaceError::Range { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, Code::RangeNotSatisfiable),
        WorkspaceError::Body(_) => (StatusCode::BAD_REQUEST, Code::BadRequest),
        // Not the agent's own bound: somebody else has to make room, and then the same request may succeed.
        WorkspaceError::Disk(source) if is_full(source) => {
            tracing::error!(error = %source, "the disk is full");
            (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable)
        }
        WorkspaceError::Disk(source) => {
            tracing::error!(error = %source, "the disk refused");
            (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal)
        }
        WorkspaceError::Exists
        | WorkspaceError::NotDirectory
        | WorkspaceError::IsDirectory
        | WorkspaceError::NotEmpty => (StatusCode::CONFLICT, Code::InvalidState),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, Code::Validation),
    };
    let detail =
        if code == Code::Unavailable { "the host's disk is full".to_owned() } else { error.to_string() };
    let mut response = problem(status, code, &detail);
    if let WorkspaceError::Range { size } = error
        && let Ok(value) = HeaderValue::try_from(format!("bytes */{size}"))
    {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}
