//! What hosts call; see `wire::host`. Not part of the public contract.

use std::sync::Arc;

use axum::{
    Json as Answer, Router,
    extract::State,
    routing::{get, post},
};
use http::StatusCode;
use serde::Deserialize;
use wire::{
    AgentId, HostId,
    host::{Commits, Committed, Heartbeat, Lease, Redeem, Redeemed, Register, Registered, Report},
    message::{Complete, Delivery, Send},
    problem::Code,
};

use crate::{
    app::App,
    error::Error,
    extract::{FromHost, HostJson, Id, Query},
};

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/internal/v1/hosts", post(register))
        .route("/internal/v1/hosts/{id}/heartbeat", post(heartbeat))
        .route("/internal/v1/hosts/{id}/reports", post(reports))
        .route("/internal/v1/hosts/{id}/commits", post(commits))
        .route("/internal/v1/agents/{id}/inbox", get(inbox))
        .route("/internal/v1/agents/{id}/send", post(send))
        .route("/internal/v1/agents/{id}/completions", post(complete))
        .route("/internal/v1/tickets/redeem", post(redeem))
}

/// A host speaks for itself only.
fn same(host: HostId, named: HostId) -> Result<(), Error> {
    if host == named {
        Ok(())
    } else {
        Err(Error::with(Code::ScopeMissing, "the credential is another host's"))
    }
}

async fn register(
    State(app): State<Arc<App>>,
    FromHost(host): FromHost,
    HostJson(register): HostJson<Register>,
) -> Result<Answer<Registered>, Error> {
    same(host, register.id)?;
    app.register(register).await.map(Answer)
}

async fn heartbeat(
    State(app): State<Arc<App>>,
    FromHost(host): FromHost,
    Id(id): Id<HostId>,
    HostJson(beat): HostJson<Heartbeat>,
) -> Result<Answer<Lease>, Error> {
    same(host, id)?;
    app.heartbeat(id, beat).await.map(Answer)
}

async fn reports(
    State(app): State<Arc<App>>,
    FromHost(host): FromHost,
    Id(id): Id<HostId>,
    HostJson(reports): HostJson<Vec<Report>>,
) -> Result<StatusCode, Error> {
    same(host, id)?;
    app.reports(host, reports).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn commits(
    State(app): State<Arc<App>>,
    FromHost(host): FromHost,
    Id(id): Id<HostId>,
    HostJson(commits): HostJson<Commits>,
) -> Result<Answer<Committed>, Error> {
    same(host, id)?;
    app.commit(host, commits).await.map(Answer)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    epoch: u64,
    after: u64,
}

async fn inbox(
    State(app): State<Arc<App>>,
    FromHost(host): FromHost,
    Id(id): Id<AgentId>,
    Query(After { epoch, after }): Query<After>,
) -> Result<Answer<Vec<Delivery>>, Error> {
    app.inbox(host, id, epoch, after).await.map(Answer)
}

async fn send(
    State(app): State<Arc<App>>,
    FromHost(host): FromHost,
    Id(id): Id<AgentId>,
    HostJson(send): HostJson<Send>,
) -> Result<StatusCode, Error> {
    app.send(host, id, send).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn complete(
    State(app): State<Arc<App>>,
    FromHost(_): FromHost,
    Id(id): Id<AgentId>,
    HostJson(complete): HostJson<Complete>,
) -> Result<StatusCode, Error> {
    app.complete(id, complete).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn redeem(
    State(app): State<Arc<App>>,
    FromHost(host): FromHost,
    HostJson(redeem): HostJson<Redeem>,
) -> Result<Answer<Redeemed>, Error> {
    same(host, redeem.host)?;
    app.redeem(host, redeem).await.map(Answer)
}
