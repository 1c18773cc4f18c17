//! What every request passes through: its id, its span, a net under panics, problem bodies and
//! security headers. It is the outermost layer, so no answer leaves without them.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tracing::{Instrument as _, Span, field::Empty};
use wire::{RequestId, host::REQUEST_ID, problem::Code};

use crate::error::Error;

/// Longest request id taken from a client, bytes of visible ASCII.
const MAX_REQUEST_ID: usize = 128;
/// Content of an answer that is data: nothing in it may run, load or be framed.
const DATA_POLICY: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox";

/// Whether clients come over TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Secure(pub(crate) bool);

/// On an answer that is meant for people as it is, whatever its status.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain;

tokio::task_local! {
    /// The id of the request whose work this task does.
    static CURRENT: Arc<str>;
}

/// The id of the request that is being answered, to be sent along to hosts.
pub(crate) fn current_id() -> Option<Arc<str>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Work that goes on in another task, under the same request's id and span.
pub(crate) fn inherit<F: Future + Send + 'static>(work: F) -> impl Future<Output = F::Output> + Send {
    let work = work.in_current_span();
    let id = current_id();
    async move {
        match id {
            Some(id) => CURRENT.scope(id, work).await,
            None => work.await,
        }
    }
}

/// The layer.
pub(crate) async fn edge(State(Secure(secure)): State<Secure>, request: Request, next: Next) -> Response {
    let id: Arc<str> =
        incoming(request.headers()).map_or_else(|| RequestId::new().to_string().into(), Into::into);
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request", request_id = %id, %method, path = shown(request.uri().path()), tenant = Empty, agent = Empty
    );
    async move {
        let begun = Instant::now();
        let answer = AssertUnwindSafe(CURRENT.scope(id.clone(), next.run(request))).catch_unwind().await;
        let mut response = answer.unwrap_or_else(|panic| {
            tracing::error!(panic = panic_text(&panic), "handler panicked");
            Error::new(Code::Internal).into_response()
        });
        if response.status() == StatusCode::METHOD_NOT_ALLOWED && method == Method::OPTIONS {
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.body_mut() = Body::empty();
        } else if is_error(response.status()) && response.extensions().get::<Plain>().is_none() {
            response = problem(response, &id);
        }
        headers(response.headers_mut(), &id, secure);
        let elapsed_us = begun.elapsed().as_micros();
        tracing::debug!(status = response.status().as_u16(), elapsed_us, "answered");
        response
    }
    .instrument(span)
    .await
}

/// A path as logs may have it: a webhook's address is a secret.
fn shown(path: &str) -> &str {
    const HOOKS: &str = "/v1/hooks/";
    if path.starts_with(HOOKS) { HOOKS } else { path }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// A client's own request id, when it is one that can go into a header and a log line.
fn incoming(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fits = (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(id)
}

/// Writes an error's body; an error of some other layer gets the one its status means.
fn problem(mut response: Response, id: &str) -> Response {
    let error = response.extensions_mut().remove::<Error>();
    let error = error.unwrap_or_else(|| Error::of_status(response.status()));
    if let Some(source) = &error.source {
        tracing::error!(code = ?error.code, error = %Chain(source.as_ref()), "request failed");
    }
    let problem = error.problem(id);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (mut parts, _) = response.into_parts();
    parts.status = status;
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(after) = error.retry_after {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    Response::from_parts(parts, Body::from(serde_json::to_vec(&problem).unwrap_or_default()))
}

fn headers(headers: &mut HeaderMap, id: &str, secure: bool) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    let defaults = [
        (header::CONTENT_SECURITY_POLICY, DATA_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(year);
    }
}

/// Records who asks, once that is known.
pub(crate) fn record_tenant(tenant: wire::TenantId) {
    Span::current().record("tenant", tracing::field::display(tenant));
}

/// Records what about, once that is known.
pub(crate) fn record_agent(agent: wire::AgentId) {
    Span::current().record("agent", tracing::field::display(agent));
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// An error with its causes: `Display` of an error never repeats its source.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn std::error::Error + 'a));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(id: &[u8]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
        incoming(&headers).is_some()
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_that_tells_nothing() {
        use axum::{Router, middleware, routing::get};
        use tower::ServiceExt as _;

        let fall = async || -> &'static str { panic!("secret") };
        let layer = middleware::from_fn_with_state(Secure(true), edge);
        let router: Router = Router::new().route("/", get(fall)).layer(layer);
        let answer = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.headers().contains_key("strict-transport-security"));
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let problem: wire::problem::Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((problem.code, problem.detail), (Code::Internal, None));
    }

    #[test]
    fn only_a_plain_request_id_is_taken_over() {
        assert!(taken(b"abc-123"));
        assert!(taken(&[b'x'; MAX_REQUEST_ID]));
        assert!(!taken(&[b'x'; MAX_REQUEST_ID + 1]));
        assert!(!taken(b""));
        assert!(!taken(b"two words"));
        assert!(!taken(b"\xff"));
    }
}
