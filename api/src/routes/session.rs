//! Signing in to the console.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use wire::{
    access::{Session, SignIn},
    problem::Code,
};

use crate::{
    app::{App, access::Caller},
    auth::session::{COOKIE, SESSION_LIFE},
    error::Error,
    extract::{Json, origin},
};

/// Sign in
///
/// Exchanges a one-time code, or a token, for a session cookie.
#[utoipa::path(
    post,
    path = "/v1/session",
    tag = "session",
    operation_id = "sign_in",
    security(()),
    request_body = SignIn,
    responses((status = 201, description = "Signed in; the cookie is HttpOnly.", body = Session, headers(("Set-Cookie" = String, description = "The session.")))),
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Json { value, .. }: Json<SignIn>,
) -> Result<Response, Error> {
    // Another page must not sign somebody in as somebody else.
    if origin(&headers).is_some_and(|origin| !app.origin_allowed(origin)) {
        return Err(Error::new(Code::OriginDenied));
    }
    let (session, secret) = app.sign_in(value).await?;
    let cookie = cookie(&app, secret.expose(), SESSION_LIFE.as_secs());
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie)], Answer(session)).into_response())
}

/// Who is signed in
#[utoipa::path(
    get,
    path = "/v1/session",
    tag = "session",
    operation_id = "get_session",
    responses((status = 200, description = "Whoever the cookie or token belongs to.", body = Session)),
)]
pub(super) async fn get(State(app): State<Arc<App>>, caller: Caller) -> Result<Answer<Session>, Error> {
    Ok(Answer(app.describe(&caller).await?))
}

/// Sign out
#[utoipa::path(
    delete,
    path = "/v1/session",
    tag = "session",
    operation_id = "sign_out",
    responses((status = 204, description = "The session has ended.")),
)]
pub(super) async fn delete(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Error> {
    app.sign_out(&caller).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie(&app, "", 0))]).into_response())
}

fn cookie(app: &App, value: &str, seconds: i64) -> String {
    let secure = if app.secure() { "; Secure" } else { "" };
    format!("{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}")
}
