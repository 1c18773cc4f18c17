//! Whether this process lives, and whether it can work.

use std::sync::Arc;

use axum::extract::State;

use crate::{app::App, error::Error};

/// Alive
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    operation_id = "healthz",
    security(()),
    responses((status = 200, description = "The process answers.", body = String)),
)]
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Ready
///
/// The store answers and no shutdown has begun.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    operation_id = "readyz",
    security(()),
    responses((status = 200, description = "It can take requests.", body = String)),
)]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Error> {
    app.ready().await?;
    Ok("ready\n")
}
