//! What handlers take: who asks, about what, and bodies that say where they are wrong.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, Method, header, request::Parts},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use wire::{HostId, problem::Code};

use crate::{
    app::{App, access::Caller, escape},
    auth::session,
    edge,
    error::Error,
};

/// Largest JSON body of a client, bytes.
pub(crate) const MAX_BODY_BYTES: usize = 256 * 1024;
/// A body that takes longer than this is not waited for.
const BODY: Duration = Duration::from_secs(15);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Error> {
        let caller = if let Some(token) = bearer(&parts.headers)? {
            app.caller_by_token(token).await?
        } else {
            let cookies = parts.headers.get(header::COOKIE).and_then(|cookies| cookies.to_str().ok());
            let Some(secret) = cookies.and_then(session::cookie) else {
                return Err(Error::with(Code::Unauthenticated, "send `authorization: Bearer` with a token"));
            };
            let safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
            let origin = origin(&parts.headers);
            if !safe && !origin.is_some_and(|origin| app.origin_allowed(origin)) {
                return Err(Error::new(Code::OriginDenied));
            }
            app.caller_by_cookie(&secret).await?
        };
        edge::record_tenant(caller.tenant);
        Ok(caller)
    }
}

/// A host that showed its credential.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FromHost(pub(crate) HostId);

impl FromRequestParts<Arc<App>> for FromHost {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Error> {
        let credential = bearer(&parts.headers)?.ok_or_else(|| Error::new(Code::Unauthenticated))?;
        app.host_of(credential).map(Self)
    }
}

/// The request's bearer token; an `authorization` of another kind is an error, not a missing one.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    token
        .map(Some)
        .ok_or_else(|| Error::with(Code::Unauthenticated, "`authorization` must be `Bearer` and a token"))
}

/// The page a browser's request comes from.
pub(crate) fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or(""))
}

/// An id in the path; what is not one names nothing.
#[derive(Debug)]
pub(crate) struct Id<T>(pub(crate) T);

impl<T: std::str::FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        path_param(parts, state, "id").await?.parse().map(Self).map_err(|_| Error::not_found())
    }
}

/// The rest of the path, decoded.
#[derive(Debug)]
pub(crate) struct Rest(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Rest {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        path_param(parts, state, "path").await.map(Self)
    }
}

/// A name in the path, decoded.
#[derive(Debug)]
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        path_param(parts, state, "name").await.map(Self)
    }
}

/// A webhook's address: a secret, so not `Debug`.
pub(crate) struct Address(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        path_param(parts, state, "secret").await.map(Self)
    }
}

async fn path_param<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Result<String, Error> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|_| Error::with(Code::BadRequest, "the path is not UTF-8"))?;
    let value = params.iter().find_map(|(key, value)| (key == name).then(|| value.to_owned()));
    value.ok_or_else(Error::not_found)
}

/// A query; what is wrong with it is named like a field.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        let query = query.map_err(|error| {
            Error::field(
                "",
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
            )
        });
        query.map(|axum::extract::Query(query)| Self(query))
    }
}

/// A JSON body of a client.
#[derive(Debug)]
pub(crate) struct Json<T> {
    /// What it says.
    pub(crate) value: T,
    /// Its bytes.
    pub(crate) bytes: Bytes,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        let json = read(request, MAX_BODY_BYTES).await?;
        object(&json.bytes)?;
        Ok(json)
    }
}

/// A JSON body that may be left out.
#[derive(Debug)]
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        use axum::body::HttpBody as _;
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        let Json { value, bytes } = read(request, MAX_BODY_BYTES).await?;
        object(&bytes)?;
        Ok(Self(value))
    }
}

/// Refuses an array: serde would read one as a struct's fields in order.
fn object(bytes: &[u8]) -> Result<(), Error> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') { Ok(()) } else { Err(Error::field("", "must be an object")) }
}

/// A JSON body of a host: it may list thousands of agents.
#[derive(Debug)]
pub(crate) struct HostJson<T>(pub(crate) T);

/// Largest JSON body of a host, bytes: a registration with 50,000 agents and a thousand images.
const MAX_HOST_BODY_BYTES: usize = 8 * 1024 * 1024;

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for HostJson<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        read(request, MAX_HOST_BODY_BYTES).await.map(|Json { value, .. }| Self(value))
    }
}

async fn read<T: DeserializeOwned>(request: Request, limit: usize) -> Result<Json<T>, Error> {
    if !is_json(request.headers()) {
        return Err(Error::with(Code::UnsupportedMediaType, "the body must be application/json"));
    }
    let bytes = bytes(request, limit).await?;
    Ok(Json { value: parse(&bytes)?, bytes })
}

/// A body whole, within its bound and in time.
pub(crate) async fn bytes(request: Request, limit: usize) -> Result<Bytes, Error> {
    let too_large = || Error::with(Code::TooLarge, format!("a body may have {limit} bytes"));
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), limit).collect();
    let body = tokio::time::timeout(BODY, body).await;
    let body = body.map_err(|_| Error::with(Code::BadRequest, "the body did not come in time"))?;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_large()
        } else {
            Error::with(Code::BadRequest, "the body could not be read")
        }
    })?;
    Ok(body.to_bytes())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Reads JSON: what is not JSON is malformed, what is JSON of another shape says where.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => Error::field(pointer, plain(&error)),
            _ => Error::with(Code::BadRequest, format!("the body is not JSON: {error}")),
        }
    })?;
    reader.end().map_err(|error| Error::with(Code::BadRequest, format!("the body is not JSON: {error}")))?;
    Ok(value)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&escape(key));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// The message without its position in the text: the pointer says where.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or_else(|| text.clone(), |(message, _)| message.to_owned())
}

#[cfg(test)]
mod tests {
    use wire::agent::SpawnRequest;

    use super::*;

    fn error(body: &[u8]) -> (Code, Option<String>) {
        let error = parse::<SpawnRequest>(body).unwrap_err();
        (error.code, error.errors.first().map(|field| field.pointer.clone()))
    }

    #[test]
    fn wrong_types_and_unknown_fields_are_pointed_at() {
        let at = |pointer: &str| (Code::Validation, Some(pointer.to_owned()));
        assert_eq!(error(br#"{"image":1}"#), at("/image"));
        assert_eq!(error(br#"{"image":"a","limits":{"memory_mib":-1}}"#), at("/limits/memory_mib"));
        assert_eq!(error(br#"{"image":"a","limits":{"memory_mib":4294967296}}"#), at("/limits/memory_mib"));
        assert_eq!(error(br#"{"image":"a","limits":{"cpus":1}}"#), at("/limits/cpus"));
        assert_eq!(error(br#"{"image":"a","env":{"A/B":null}}"#), at("/env/A~1B"));
        assert_eq!(error(br#"{"image":"a","colour":"red"}"#), at("/colour"));
        assert_eq!(error(b"1"), at(""));
        assert!(object(b" {}").is_ok());
        assert_eq!(object(b"[]").unwrap_err().code, Code::Validation);
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let deep = [&b"{\"config\":"[..], &b"[".repeat(10_000)].concat();
        for body in [&b"{"[..], b"", b"nope", b"{}{}", b"{\"image\":\"\xff\"}", &deep] {
            assert_eq!(error(body), (Code::BadRequest, None), "{:?}", &body[..body.len().min(32)]);
        }
    }
}
