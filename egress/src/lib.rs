//! Requests that agents send.
//!
//! Whoever writes an agent decides where it sends requests, and the host that sends them stands inside a network
//! the author is not in. So a request passes three doors: a [`Rule`] of the agent covers it (`check`); every address
//! its host has is one of the public Internet (`address`), and the connection is made to an address that was looked
//! at, never to the name again (`resolve`, `connect`); and where an answer leads on, it all begins anew (`redirect`).
//!
//! A request has a connection of its own, and nothing of one is kept for the next: neither the connection, nor a
//! TLS session, nor cookies. No proxy is used, and no variable of the environment says where a request goes.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use ipnet::IpNet;
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;
use wire::egress::Rule;

pub mod address;
mod check;
mod connect;
mod error;
mod exchange;
mod headers;
mod redirect;
mod resolve;
#[cfg(test)]
mod tests;
mod traffic;

pub use check::{Checked, Refused};
pub use error::{Error, Failure, Kind, SetupError};

use crate::{connect::Connector, exchange::Answer, resolve::Names, traffic::Traffic};

/// How long a request may take in all where its agent does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take whatever its agent says.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(120);
/// How long an address has to take a connection, and its server then for TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Redirects that are followed for one request.
pub const MAX_REDIRECTS: usize = 5;

/// What an operator decides.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Who is asked for addresses. Empty: whom the system's `resolv.conf` names when this starts.
    pub nameservers: Vec<SocketAddr>,
    /// Networks that agents may reach though [`address`] forbids them. A rule of the agent is needed all the same.
    pub allow: Vec<IpNet>,
    /// Root certificates that are trusted beside the system's.
    pub roots: Vec<CertificateDer<'static>>,
}

/// What an agent asks for. Its `Debug` shows nothing of what could be a secret.
#[derive(Clone, Default)]
pub struct Request {
    /// In upper case.
    pub method: String,
    /// Where to, with `http` or `https`.
    pub url: String,
    /// In the order they are sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Nothing for `GET` and `HEAD`.
    pub body: Vec<u8>,
    /// For everything from the name's lookup to the last byte. [`DEFAULT_TIMEOUT`] unless said, and never more than
    /// [`MAX_TIMEOUT`].
    pub timeout: Option<Duration>,
    /// Sent as `Idempotency-Key` where the agent set none itself, and not with `GET` and `HEAD`.
    pub key: Option<String>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url_bytes", &self.url.len())
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What was answered, of whatever status.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 999.
    pub status: u16,
    /// Names in lower case. Without those that concern the connection.
    pub headers: Vec<(String, Vec<u8>)>,
    /// As it was sent: what is packed stays so.
    pub body: Vec<u8>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Sends requests. Clones share it.
#[derive(Clone)]
pub struct Egress(Arc<Parts>);

struct Parts {
    names: Names,
    connector: Connector,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").finish_non_exhaustive()
    }
}

impl Egress {
    /// Reads the system's root certificates, and its nameservers where `settings` has none.
    ///
    /// # Errors
    /// The system names no nameservers, or one of the root certificates is none.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let allow: Arc<[IpNet]> = settings.allow.into();
        let names = Names::new(&settings.nameservers, allow.clone())?;
        let connector = Connector::new(&settings.roots, allow)?;
        Ok(Self(Arc::new(Parts { names, connector })))
    }

    /// Whether a request may be sent, as an agent is told at once when it asks: whether it is a request, within the
    /// bounds of [`wire::egress`], and covered by one of `rules`. No I/O: what its host's addresses are is seen when
    /// it is sent.
    ///
    /// # Errors
    /// Why not.
    pub fn check(rules: &[Rule], request: &Request) -> Result<Checked, Refused> {
        check::check(rules, request)
    }

    /// Sends a request, after [`check`](Self::check)ing it again, and follows what it leads to if it is a `GET` or
    /// a `HEAD`. An answer of any status is one. Who drops the future closes the connection.
    ///
    /// # Errors
    /// Why there is no answer; [`Error::may_have_left`] says whether there might have been an effect.
    pub async fn send(&self, rules: Arc<[Rule]>, request: Request) -> Result<Response, Error> {
        let within = request.timeout.unwrap_or(DEFAULT_TIMEOUT).min(MAX_TIMEOUT);
        let traffic = Traffic::default();
        let answer = timeout(within, self.0.send(&rules, request, &traffic)).await;
        answer
            .unwrap_or(Err(Failure::Timeout(within)))
            .map_err(|failure| Error::new(failure, traffic.has_begun()))
    }
}

impl Parts {
    async fn send(&self, rules: &[Rule], request: Request, traffic: &Traffic) -> Result<Response, Failure> {
        let mut checked = check::check(rules, &request)?;
        let body = Bytes::from(request.body);
        for _ in 0..=MAX_REDIRECTS {
            let addresses = self.names.addresses(&checked.target).await?;
            let stream = self.connector.connect(&checked.target, &addresses).await?;
            match exchange::exchange(stream, &checked, body.clone(), traffic).await? {
                Answer::Whole(response) => return Ok(response),
                Answer::Elsewhere(location) => redirect::follow(rules, &mut checked, &location)?,
            }
        }
        Err(Failure::TooManyRedirects)
    }
}
