//! Whether a request may be sent: pure, no I/O.

use std::{fmt, net::IpAddr};

use http::{HeaderMap, HeaderValue, Method, uri::PathAndQuery};
use url::{Host, Position, Url};
use wire::egress::{
    self, MAX_BODY_BYTES, MAX_HOST_BYTES, MAX_METHOD_BYTES, MAX_URL_BYTES, Rule, Scheme, is_repeatable,
};

use crate::{Request, headers};

/// Why a request is not sent. The text is for the agent and for people, and has nothing of the request that could be
/// a secret: no name or password, no path, no query, no body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No rule covers it.
    #[error("{0}")]
    NotGranted(String),
    /// It is no request.
    #[error("{0}")]
    Invalid(String),
    /// It is out of its bounds.
    #[error("{0}")]
    TooLarge(String),
}

/// A request that may be sent.
#[derive(Debug, Clone)]
pub struct Checked {
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
}

impl Checked {
    /// How it is sent, in upper case.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// Where it goes: scheme, host, and port where it is not the usual one. Nothing a log could not have.
    #[must_use]
    pub fn origin(&self) -> String {
        self.target.to_string()
    }
}

/// Where a request goes. Displayed without path and query.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
    pub(crate) url: Url,
}

impl Target {
    /// # Errors
    /// It is no URL to send to.
    pub(crate) fn new(url: Url) -> Result<Self, Refused> {
        let invalid = |why: &str| Err(Refused::Invalid(why.to_owned()));
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return invalid("a URL begins with http:// or https://"),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return invalid("a URL has no name or password in it; send them in a header");
        }
        let host = match url.host() {
            Some(host) => host.to_owned(),
            None => return invalid("the URL has no host"),
        };
        if let Host::Domain(name) = &host {
            let labels = name.strip_suffix('.').unwrap_or(name).split('.');
            if name.len() > MAX_HOST_BYTES || !labels.into_iter().all(|l| (1..=63).contains(&l.len())) {
                return invalid("the URL's host is not the name of one");
            }
        }
        let port = match url.port_or_known_default() {
            Some(port) if port > 0 => port,
            _ => return invalid("a port is 1 to 65535"),
        };
        if url.as_str().len() > MAX_URL_BYTES {
            return Err(Refused::TooLarge(format!(
                "a URL has at most {MAX_URL_BYTES} bytes, escapes included"
            )));
        }
        let target = Self { scheme, host, port, url };
        match target.path() {
            Some(_) => Ok(target),
            None => invalid("the URL has characters in its path or query that have to be escaped"),
        }
    }

    /// What is asked for there.
    pub(crate) fn path(&self) -> Option<PathAndQuery> {
        self.url[Position::BeforePath..Position::AfterQuery].parse().ok()
    }

    /// The host header.
    pub(crate) fn authority(&self) -> Option<HeaderValue> {
        self.url[Position::BeforeHost..Position::AfterPort].parse().ok()
    }

    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && self.port == other.port
    }

    pub(crate) fn is_granted(&self, rules: &[Rule], method: &Method) -> bool {
        let covers = |rule: &Rule, host: &str| rule.covers(method.as_str(), self.scheme, host, self.port);
        let address = match &self.host {
            Host::Domain(name) => return rules.iter().any(|rule| covers(rule, name)),
            Host::Ipv4(address) => IpAddr::V4(*address),
            Host::Ipv6(address) => IpAddr::V6(*address),
        };
        // By value: one address is written in many ways, and 127.0.0.1 is not below `*.0.0.1`.
        rules.iter().any(|rule| rule.host.parse() == Ok(address) && covers(rule, &rule.host))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// See [`Egress::check`](crate::Egress::check).
pub(crate) fn check(rules: &[Rule], request: &Request) -> Result<Checked, Refused> {
    if request.url.len() > MAX_URL_BYTES {
        return Err(Refused::TooLarge(format!("a URL has at most {MAX_URL_BYTES} bytes")));
    }
    if request.body.len() > MAX_BODY_BYTES {
        return Err(Refused::TooLarge(format!("a body has at most {MAX_BODY_BYTES} bytes")));
    }
    let method = method(&request.method)?;
    let reads = is_repeatable(method.as_str());
    if reads && !request.body.is_empty() {
        return Err(Refused::Invalid(format!("{method} has no body")));
    }
    if request.url.bytes().any(|b| b.is_ascii_control()) {
        return Err(Refused::Invalid("the URL has control characters".to_owned()));
    }
    let url = Url::parse(&request.url).map_err(|error| Refused::Invalid(format!("no URL: {error}")))?;
    let target = Target::new(url)?;
    let mut headers = headers::read(&request.headers)?;
    let key = request.key.as_deref().filter(|_| !reads);
    headers::complete(&mut headers, key)?;
    if !target.is_granted(rules, &method) {
        return Err(Refused::NotGranted(format!(
            "no egress rule of this agent covers {method}@{target}; whoever spawns it grants them"
        )));
    }
    Ok(Checked { method, target, headers })
}

fn method(text: &str) -> Result<Method, Refused> {
    if !egress::is_method(text) {
        return Err(Refused::Invalid(format!(
            "a method is a word in upper case of at most {MAX_METHOD_BYTES} letters"
        )));
    }
    if egress::is_forbidden(text) {
        return Err(Refused::Invalid(format!("{text} cannot be sent")));
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| Refused::Invalid("no method".to_owned()))
}

#[cfg(test)]
mod tests;
