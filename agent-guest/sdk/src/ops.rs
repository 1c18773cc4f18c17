//! The operations of the contract, one function each.

use std::time::Duration;

use crate::operation::Operation;
use crate::types::{self, Header, Output, Response};

/// A pending [`sleep`].
pub type Sleep = Operation<()>;

/// Waits at least `duration` (rounded up to a millisecond). The agent may be
/// suspended meanwhile; time goes on.
pub fn sleep(duration: Duration) -> Sleep {
    let ms = u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    Operation::new(types::Operation::Sleep(ms), |output| matches!(output, Output::Slept).then_some(()))
}

/// An HTTP request; the host sends it, and only where the agent is allowed to.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a request is sent by `fetch`"]
pub struct Request(types::Fetch);

impl Request {
    /// A request of any method.
    pub fn new(method: &str, url: &str) -> Self {
        Self(types::Fetch {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: None,
            secret: None,
            retryable: false,
        })
    }

    /// A GET: repeatable by nature.
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// A POST with a body.
    pub fn post(url: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", url).body(body)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.0.headers.push(Header { name: name.to_owned(), value: value.into() });
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = body.into();
        self
    }

    /// Gives up after this long, in whole milliseconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Names a secret for the host to add on the way out.
    pub fn secret(mut self, name: &str) -> Self {
        self.0.secret = Some(name.to_owned());
        self
    }

    /// Allows sending it again when nobody knows whether it arrived.
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }
}

/// Sends an HTTP request. Any status is a [`Response`]; only a request without one is an error.
pub fn fetch(request: Request) -> Operation<Response> {
    Operation::new(types::Operation::Fetch(request.0), |output| match output {
        Output::Fetched(response) => Some(response),
        _ => None,
    })
}

/// Asks a model: `request` is the provider-neutral JSON body, the result is the
/// reply's. The words come as they are said through [`Operation::progress`].
pub fn chat(model: &str, request: &str) -> Operation<String> {
    let chat = types::Chat { model: model.to_owned(), request: request.to_owned(), streamed: true };
    Operation::new(types::Operation::Chat(chat), |output| match output {
        Output::Chatted(reply) => Some(reply),
        _ => None,
    })
}

/// Calls a tool with its input as JSON; the result is its output as JSON. Not
/// sent again after an unknown outcome: use [`operation`](crate::operation()) for calls that may be.
pub fn tool(name: &str, input: &str) -> Operation<String> {
    let call = types::ToolCall { name: name.to_owned(), input: input.to_owned(), retryable: false };
    Operation::new(types::Operation::Tool(call), |output| match output {
        Output::Called(result) => Some(result),
        _ => None,
    })
}

/// Sends a message to another agent, by id; the result is the message's id.
pub fn send(to: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Operation<String> {
    let message =
        types::MessageOut { to: to.to_owned(), content_type: content_type.to_owned(), body: body.into() };
    Operation::new(types::Operation::Send(message), |output| match output {
        Output::Sent(id) => Some(id),
        _ => None,
    })
}
