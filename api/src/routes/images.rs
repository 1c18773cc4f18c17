//! Images.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use wire::{agent::Page, image::Image};

use crate::{
    app::{App, access::Caller},
    error::Error,
    extract::Id,
};

/// List images
#[utoipa::path(
    get,
    path = "/v1/images",
    tag = "images",
    operation_id = "list_images",
    responses((status = 200, description = "What agents can be spawned from.", body = Page<Image>)),
)]
pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Answer<Page<Image>>, Error> {
    Ok(Answer(Page { data: app.list_images(&caller)?, next_cursor: None }))
}

/// Read an image
#[utoipa::path(
    get,
    path = "/v1/images/{id}",
    tag = "images",
    operation_id = "get_image",
    params(("id" = String, Path, description = "A name, or a digest `sha256:…`.")),
    responses((status = 200, description = "The image.", body = Image)),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(name): Id<String>,
) -> Result<Answer<Image>, Error> {
    Ok(Answer(app.image(&caller, &name)?))
}
