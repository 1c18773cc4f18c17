//! The OpenAPI document: everything but the paths, which stand beside their handlers.

use std::sync::LazyLock;

use utoipa::{
    OpenApi,
    openapi::{
        self, ContentBuilder, HeaderBuilder, RefOr, ResponseBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use wire::problem::{Code, FieldError, Problem};

use crate::error;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "OpenClaw Cloud",
        version = "1",
        description = "Agents in WebAssembly: spawn one, get a live terminal. Times are RFC 3339 in UTC, durations end in `_seconds`, sizes in `_bytes` or `_mib`. Errors are RFC 9457 problems; branch on `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Problem, Code, FieldError)),
    tags(
        (name = "agents", description = "Spawn agents, see them, end them."),
        (name = "checkpoints", description = "Suspend and resume agents, keep them, fork them, take them back."),
        (name = "messages", description = "What reaches an agent whether it runs or not."),
        (name = "terminals", description = "Live terminals over WebSockets."),
        (name = "files", description = "Files of an agent's workspace."),
        (name = "logs", description = "What agents and their host wrote about them."),
        (name = "images", description = "What agents are spawned from."),
        (name = "tokens", description = "API tokens and their scopes."),
        (name = "session", description = "Signing in to the console."),
        (name = "hosts", description = "The fleet, for operators."),
        (name = "health", description = "For load balancers."),
        (name = "document", description = "This document."),
    ),
)]
struct Base;

/// The document without its paths.
pub(crate) fn base() -> openapi::OpenApi {
    let mut document = Base::openapi();
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API token, `claw_live_<id>_<secret>`."))
        .build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(
        crate::auth::session::COOKIE,
        "A console session. Requests that change something need an allowed `Origin`.",
    );
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let ticket = ApiKeyValue::with_description(
        "Sec-WebSocket-Protocol",
        "`ticket.<base64url>` beside the protocol's own name: 30 s, single use.",
    );
    components.add_security_scheme("ticket", SecurityScheme::ApiKey(ApiKey::Header(ticket)));
    let none: [&str; 0] = [];
    document.security =
        Some(vec![SecurityRequirement::new("token", none), SecurityRequirement::new("session", none)]);
    document
}

/// The whole document.
pub(crate) static DOCUMENT: LazyLock<openapi::OpenApi> = LazyLock::new(|| {
    let (_, mut document) = crate::routes::public().split_for_parts();
    let paths = std::mem::take(&mut document.paths.paths);
    for (path, mut item) in paths {
        finish(&mut item);
        // The router's way of writing a parameter that may contain slashes.
        document.paths.paths.insert(path.replace("{*", "{"), item);
    }
    let components = document.components.get_or_insert_default();
    components.responses.insert("Problem".to_owned(), RefOr::T(problem().build()));
    document
});

/// Every operation can answer a problem, and every answer has the request's id.
fn finish(item: &mut openapi::PathItem) {
    let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
    for operation in operations.into_iter().flatten() {
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response {
                let id = HeaderBuilder::new().description(Some("The request, for support and logs.")).build();
                response.headers.insert("x-request-id".to_owned(), id.into());
            }
        }
        let problem = RefOr::Ref(openapi::Ref::from_response_name("Problem"));
        operation.responses.responses.insert("default".to_owned(), problem);
    }
}

fn problem() -> ResponseBuilder {
    let schema = openapi::Ref::from_schema_name("Problem");
    let codes =
        ALL_CODES.map(|code| format!("{} {}", error::status(code).as_u16(), error::name(code))).join(", ");
    ResponseBuilder::new()
        .description(format!("A problem. Codes by status: {codes}."))
        .content("application/problem+json", ContentBuilder::new().schema(Some(schema)).build())
}

/// Every code, in the order of the statuses.
const ALL_CODES: [Code; 24] = [
    Code::BadRequest,
    Code::Unauthenticated,
    Code::ScopeMissing,
    Code::OriginDenied,
    Code::NotFound,
    Code::MethodNotAllowed,
    Code::InvalidState,
    Code::EpochChanged,
    Code::IdempotencyInProgress,
    Code::InputSessionExpired,
    Code::AgentTerminated,
    Code::VersionMismatch,
    Code::TooLarge,
    Code::UnsupportedMediaType,
    Code::RangeNotSatisfiable,
    Code::Validation,
    Code::IdempotencyKeyReused,
    Code::RateLimited,
    Code::QuotaExceeded,
    Code::Internal,
    Code::InsufficientCapacity,
    Code::Unavailable,
    Code::StartTimeout,
    Code::WorkspaceFull,
];

/// The document as JSON text, as it is served and checked in.
pub(crate) static JSON: LazyLock<String> = LazyLock::new(|| {
    let mut text = DOCUMENT.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
});
