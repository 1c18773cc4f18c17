//! Hosts, for operators.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use wire::{agent::Page, fleet::Host};

use crate::{
    app::{App, access::Caller},
    error::Error,
};

/// List hosts
///
/// Needs the scope `operator`.
#[utoipa::path(
    get,
    path = "/v1/hosts",
    tag = "hosts",
    operation_id = "list_hosts",
    responses((status = 200, description = "The fleet.", body = Page<Host>)),
)]
pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Answer<Page<Host>>, Error> {
    Ok(Answer(Page { data: app.list_hosts(&caller)?, next_cursor: None }))
}
