//! The web console, embedded at build time from `api/web/dist`.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, header};
use sha2::{Digest as _, Sha256};
use wire::problem::Code;

use crate::{app::App, error::Error};

/// Every file of the built console; empty when it was not built.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/console.rs"));
/// The page with the list of agents.
const CONSOLE_PAGE: &str = "index.html";
/// The page with one agent's terminal.
const TERMINAL_PAGE: &str = "terminal.html";
/// Vite puts a hash of the content into the names of files below this.
const HASHED: &str = "assets/";

struct File {
    bytes: &'static [u8],
    tag: String,
}

static CONSOLE: LazyLock<HashMap<&'static str, File>> = LazyLock::new(|| index(FILES));

fn index(files: &[(&'static str, &'static [u8])]) -> HashMap<&'static str, File> {
    let file = |bytes: &'static [u8]| File {
        bytes,
        tag: format!("\"{}\"", &hex::encode(Sha256::digest(bytes))[..32]),
    };
    files.iter().map(|&(name, bytes)| (name, file(bytes))).collect()
}

/// Answers what no other route does: the console's pages and files.
pub(crate) async fn serve(State(app): State<Arc<App>>, request: Request) -> Result<Response, Error> {
    let path = request.uri().path().trim_start_matches('/');
    let name = match path {
        "" => CONSOLE_PAGE,
        path if is_terminal(path) => TERMINAL_PAGE,
        path => path,
    };
    let page = matches!(name, CONSOLE_PAGE | TERMINAL_PAGE);
    let found = CONSOLE.get(name);
    if found.is_none() && !page {
        return Err(Error::not_found());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Error::new(Code::MethodNotAllowed));
    }
    let Some(file) = found else { return Ok(not_built()) };
    let known = request.headers().get(header::IF_NONE_MATCH);
    let fresh = known.is_some_and(|known| known.as_bytes() == file.tag.as_bytes());
    let mut response =
        if fresh { StatusCode::NOT_MODIFIED.into_response() } else { Body::from(file.bytes).into_response() };
    let headers = response.headers_mut();
    let cached = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cached));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    headers.extend(HeaderValue::from_str(&file.tag).map(|tag| (header::ETAG, tag)));
    if page {
        headers.extend(policy(&app).map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    }
    Ok(response)
}

/// `agents/{id}/terminal`.
fn is_terminal(path: &str) -> bool {
    let id = path.strip_prefix("agents/").and_then(|rest| rest.strip_suffix("/terminal"));
    id.is_some_and(|id| id.parse::<wire::AgentId>().is_ok())
}

/// What the console's page may do. Styles inline: the terminal writes its colours and cell sizes into
/// a style element of its own.
fn policy(app: &App) -> Option<HeaderValue> {
    let own = app.settings.public_url.replacen("http", "ws", 1);
    // Hosts that clients reach directly have addresses of their own.
    let hosts = if app.settings.direct_hosts { " ws: wss:" } else { "" };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self' {own}{hosts}; \
         img-src 'self' data:; font-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
         form-action 'none'"
    );
    HeaderValue::from_str(&policy).ok()
}

fn not_built() -> Response {
    let hint =
        "This claw was built without the web console. Run `cargo xtask build`, which needs Node.js 20.\n";
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, kind, hint).into_response();
    response.extensions_mut().insert(crate::edge::Plain);
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_pages_and_nothing_else_below_agents_is() {
        let id = wire::AgentId::new();
        assert!(is_terminal(&format!("agents/{id}/terminal")));
        assert!(!is_terminal("agents/../terminal"));
        assert!(!is_terminal(&format!("agents/{id}/terminal/x")));
    }

    #[test]
    fn tags_differ_with_content() {
        let files = index(&[("a", b"1"), ("b", b"2")]);
        assert_ne!(files["a"].tag, files["b"].tag);
    }

    #[test]
    fn scripts_and_styles_have_the_types_that_nosniff_asks_for() {
        assert!(content_type("assets/index-abc.js").starts_with("text/javascript"));
        assert!(content_type("assets/index-abc.css").starts_with("text/css"));
        assert_eq!(content_type("noextension"), "application/octet-stream");
    }
}
