//! The OpenAPI document, and a page that shows it with nothing from elsewhere.

use std::sync::Arc;

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, header};

use crate::{app::App, openapi};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The document
///
/// OpenAPI 3.1; `/docs` shows it to people.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "document",
    operation_id = "openapi",
    security(()),
    responses((status = 200, description = "This document.", content_type = "application/json")),
)]
pub(super) async fn document() -> Response {
    file("application/json", &openapi::JSON)
}

/// The page and its two files.
pub(super) fn pages() -> Router<Arc<App>> {
    Router::new()
        .route("/docs", get(async || file("text/html; charset=utf-8", include_str!("docs/page.html"))))
        .route(
            "/docs/page.js",
            get(async || file("text/javascript; charset=utf-8", include_str!("docs/page.js"))),
        )
        .route("/docs/page.css", get(async || file("text/css; charset=utf-8", include_str!("docs/page.css"))))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
