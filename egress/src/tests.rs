//! Against nameservers and servers on loopback addresses.
//!
//! 127.0.0.2 and 127.0.0.3 stand for the Internet: they are allowed. 127.0.0.1 is the inside of a network, and nothing
//! may ever arrive there.

use std::{sync::Arc, time::Duration};

use wire::egress::Rule;

use crate::{Egress, Error, Request, Response, Settings};

mod bounds;
mod dns;
mod http;
mod names;
mod redirects;
mod server;
mod tls;

/// The Internet.
pub(crate) const OUTSIDE: &str = "127.0.0.2";
/// More of it.
pub(crate) const ELSEWHERE: &str = "127.0.0.3";
/// Where nothing may arrive.
pub(crate) const INSIDE: &str = "127.0.0.1";
/// Far more than anything here takes: a test that waits for it fails.
const LONG: Duration = Duration::from_secs(20);

pub(crate) fn settings() -> Settings {
    Settings {
        // Nobody is there: what asks for a name by mistake does not leave this machine.
        nameservers: vec!["127.0.0.1:1".parse().unwrap()],
        allow: [OUTSIDE, ELSEWHERE].map(|address| format!("{address}/32").parse().unwrap()).into(),
        roots: Vec::new(),
    }
}

pub(crate) fn egress() -> Egress {
    Egress::new(settings()).unwrap()
}

pub(crate) fn request(method: &str, url: &str) -> Request {
    Request { method: method.to_owned(), url: url.to_owned(), timeout: Some(LONG), ..Request::default() }
}

/// Sends it, granted.
pub(crate) async fn send(egress: &Egress, request: Request) -> Result<Response, Error> {
    let rule = granting(&request.method, &request.url);
    egress.send(Arc::new([rule]), request).await
}

/// Fetches it, granted.
pub(crate) async fn get(egress: &Egress, url: &str) -> Result<Response, Error> {
    send(egress, request("GET", url)).await
}

/// The rule that grants the origin of a URL.
pub(crate) fn granting(method: &str, url: &str) -> Rule {
    let url = url::Url::parse(url).unwrap();
    let port = url.port_or_known_default().unwrap();
    format!("{method}@{}://{}:{port}", url.scheme(), url.host_str().unwrap()).parse().unwrap()
}
