//! API tokens.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use http::StatusCode;
use wire::{
    TokenId,
    access::{CreatedToken, NewToken, Token},
    agent::Page,
};

use crate::{
    app::{App, access::Caller},
    error::Error,
    extract::{Id, Json},
};

/// List tokens
#[utoipa::path(
    get,
    path = "/v1/tokens",
    tag = "tokens",
    operation_id = "list_tokens",
    responses((status = 200, description = "The tenant's tokens, newest first.", body = Page<Token>)),
)]
pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Answer<Page<Token>>, Error> {
    Ok(Answer(Page { data: app.list_tokens(&caller).await?, next_cursor: None }))
}

/// Make a token
///
/// Its secret is in this answer and nowhere else. It can do no more than the token that makes it.
#[utoipa::path(
    post,
    path = "/v1/tokens",
    tag = "tokens",
    operation_id = "create_token",
    request_body = NewToken,
    responses((status = 201, description = "The token with its secret.", body = CreatedToken)),
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json { value, .. }: Json<NewToken>,
) -> Result<(StatusCode, Answer<CreatedToken>), Error> {
    Ok((StatusCode::CREATED, Answer(app.create_token(&caller, value).await?)))
}

/// Revoke a token
///
/// It and the sessions that came from it stop working at once.
#[utoipa::path(
    delete,
    path = "/v1/tokens/{id}",
    tag = "tokens",
    operation_id = "delete_token",
    params(("id" = TokenId, Path, description = "The token.")),
    responses((status = 204, description = "Revoked.")),
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<TokenId>,
) -> Result<StatusCode, Error> {
    app.delete_token(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
