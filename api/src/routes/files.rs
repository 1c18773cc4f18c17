//! Files of an agent's workspace.

use std::sync::Arc;

use axum::{
    Json as Answer,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;
use wire::{AgentId, agent::Page, file::FileEntry};

use crate::{
    app::{App, access::Caller},
    error::Error,
    extract::{Id, Query, Rest},
    hosts::Read,
};

/// Headers of a host's answer that clients get.
const PASSED: [header::HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only paths that begin with this.
    #[serde(default)]
    prefix: String,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List files
///
/// Entries of the agent's workspace by path; those of a suspended agent are read from its checkpoint.
#[utoipa::path(
    get,
    path = "/v1/agents/{id}/files",
    tag = "files",
    operation_id = "list_files",
    params(("id" = AgentId, Path, description = "The agent."), Which),
    responses((status = 200, description = "One page.", body = Page<FileEntry>)),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    Query(Which { prefix, cursor }): Query<Which>,
) -> Result<Answer<Page<FileEntry>>, Error> {
    app.list_files(&caller, id, prefix, cursor).await.map(Answer)
}

/// Read a file
///
/// Its bytes; `Range` is honoured. A suspended agent stays so: its files are read from its checkpoint.
#[utoipa::path(
    get,
    path = "/v1/agents/{id}/files/{*path}",
    tag = "files",
    operation_id = "read_file",
    params(
        ("id" = AgentId, Path, description = "The agent."),
        ("path" = String, Path, description = "Relative to `/work`; may contain slashes."),
        ("Range" = Option<String>, Header, description = "Such as `bytes=0-1023`."),
    ),
    responses(
        (status = 200, description = "The whole file.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The range.", body = Vec<u8>, content_type = "application/octet-stream"),
    ),
)]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    Rest(path): Rest,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).map(str::to_owned);
    let file = app.read(&caller, id, Read::File { path, range }).await?;
    let mut response = (file.status, file.body).into_response();
    for name in PASSED {
        if let Some(value) = file.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    // An agent wrote these bytes: a browser must not take them for a page of this origin.
    let plain = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    Ok(response)
}

/// Write a file
///
/// Replaces it whole, making directories on the way. At most 64 MiB. Resumes a suspended agent first. Durable when
/// this answers, where the agent can be suspended at all; a problem `unavailable` says when it is written and not
/// durable yet.
#[utoipa::path(
    put,
    path = "/v1/agents/{id}/files/{*path}",
    tag = "files",
    operation_id = "write_file",
    params(
        ("id" = AgentId, Path, description = "The agent."),
        ("path" = String, Path, description = "Relative to `/work`; may contain slashes."),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "Written.", body = FileEntry)),
)]
pub(super) async fn write(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    Rest(path): Rest,
    request: Request,
) -> Result<Answer<FileEntry>, Error> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let body: Body = request.into_body();
    app.write_file(&caller, id, &path, body, length).await.map(Answer)
}

/// Delete a file
///
/// Or an empty directory. Resumes a suspended agent first; durable as a write is.
#[utoipa::path(
    delete,
    path = "/v1/agents/{id}/files/{*path}",
    tag = "files",
    operation_id = "delete_file",
    params(
        ("id" = AgentId, Path, description = "The agent."),
        ("path" = String, Path, description = "Relative to `/work`; may contain slashes."),
    ),
    responses((status = 204, description = "Removed.")),
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    Rest(path): Rest,
) -> Result<StatusCode, Error> {
    app.delete_file(&caller, id, &path).await?;
    Ok(StatusCode::NO_CONTENT)
}
