//! Which headers cross: those of an agent on their way out, those of an answer on their way in.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HOST,
        IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE, USER_AGENT,
    },
};
use wire::egress::{MAX_HEADER_BYTES, MAX_HEADERS, headers_fit};

use crate::Refused;

/// Between two neighbours only (RFC 9110, 7.6.1), or decided by what is sent.
const OURS: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// What goes along when a redirect leads to another origin. Everything else may be a secret of the first one: an
/// API calls its keys what it likes.
const PUBLIC: [HeaderName; 9] = [
    ACCEPT,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CACHE_CONTROL,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    RANGE,
    USER_AGENT,
];

/// Named like this a program may say who it is; otherwise the host does.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("openclaw-cloud/", env!("CARGO_PKG_VERSION")));

/// As the answer was sent: what is packed would have to be unpacked before its size is known.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The headers of an agent, read.
pub(crate) fn read(headers: &[(String, Vec<u8>)]) -> Result<HeaderMap, Refused> {
    if !headers_fit(headers.iter().map(|(name, value)| name.len() + value.len())) {
        return Err(Refused::TooLarge(format!(
            "a request has at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together"
        )));
    }
    let mut map = HeaderMap::with_capacity(headers.len() + 5);
    for (index, (name, value)) in headers.iter().enumerate() {
        let Ok(known) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(Refused::Invalid(format!("the name of header {index} is not one of HTTP")));
        };
        if is_ours(&known) {
            return Err(Refused::Invalid(format!("the header {known} is set by the host, not by an agent")));
        }
        let Ok(mut value) = HeaderValue::from_bytes(value) else {
            return Err(Refused::Invalid(format!("the value of the header {known} has control characters")));
        };
        // Keeps it out of anything that is printed.
        value.set_sensitive(true);
        map.append(known, value);
    }
    Ok(map)
}

fn is_ours(name: &HeaderName) -> bool {
    OURS.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

/// Adds what every request has, and what this one should.
///
/// # Errors
/// The key is no header value.
pub(crate) fn complete(headers: &mut HeaderMap, key: Option<&str>) -> Result<(), Refused> {
    headers.entry(USER_AGENT).or_insert(AGENT);
    headers.entry(ACCEPT_ENCODING).or_insert(IDENTITY);
    // One request, one connection: nobody else's goes over it.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(key) = key {
        let mut value = HeaderValue::from_str(key)
            .map_err(|_| Refused::Invalid("the idempotency key has control characters".to_owned()))?;
        value.set_sensitive(true);
        headers.entry(IDEMPOTENCY_KEY).or_insert(value);
    }
    Ok(())
}

/// The headers that follow from where it goes and what it carries.
pub(crate) fn address(headers: &mut HeaderMap, host: HeaderValue, method: &Method, body: usize) {
    headers.insert(HOST, host);
    // Said even of nothing where the method means something by it (RFC 9110, 8.6).
    if body > 0 || [Method::POST, Method::PUT, Method::PATCH].contains(method) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body));
    }
}

/// Leaves only what may be told to another origin than the one it was meant for.
pub(crate) fn keep_public(headers: &mut HeaderMap) {
    let names: Vec<_> = headers.keys().filter(|name| !PUBLIC.contains(name)).cloned().collect();
    for name in names {
        if name != CONNECTION {
            headers.remove(name);
        }
    }
}

/// The headers of an answer that an agent gets: not those between neighbours. `Err` is the bound that was passed.
pub(crate) fn answer(headers: &HeaderMap) -> Result<Vec<(String, Vec<u8>)>, String> {
    let named = |name: &HeaderName| {
        let all = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        all.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(name.as_str()))
    };
    if !headers_fit(headers.iter().map(|(name, value)| name.as_str().len() + value.len())) {
        return Err(bound());
    }
    // How long the body is, is still true of it.
    let kept = headers.iter().filter(|(name, _)| *name == CONTENT_LENGTH || !(is_ours(name) || named(name)));
    Ok(kept.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect())
}

/// What an answer's headers may be.
pub(crate) fn bound() -> String {
    format!("{MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes of them")
}
