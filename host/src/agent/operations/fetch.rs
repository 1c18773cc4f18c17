//! `fetch`: a request over HTTP, by the rules of the agent's egress.

use std::{sync::Arc, time::Duration};

use checkpoint::manifest::Fetch;
use egress::{Egress, MAX_TIMEOUT, Refused, Request};
use wire::egress::is_repeatable;

use super::{Effect, MAX_REQUESTS, Operations, Shared, State, not_granted, refusal, short};
use crate::bindings::agent::openclaw::agent::types as wit;

/// How long after its own time a request's answer may still come: that of a host that stops, and of a store.
const LATE: Duration = Duration::from_secs(60);

/// When a request that leaves now has no answer any more, milliseconds since 1970.
pub(super) fn gives_up_at(now_ms: u64, fetch: &Fetch) -> u64 {
    let most = fetch.timeout_ms.map_or(MAX_TIMEOUT, Duration::from_millis).min(MAX_TIMEOUT);
    now_ms.saturating_add(u64::try_from((most + LATE).as_millis()).unwrap_or(u64::MAX))
}

/// As it is made.
pub(super) fn request(fetch: &Fetch) -> Request {
    Request {
        method: fetch.method.clone(),
        url: fetch.url.clone(),
        headers: fetch.headers.clone(),
        body: fetch.body.clone(),
        timeout: fetch.timeout_ms.map(Duration::from_millis),
        key: None,
    }
}

fn kept(fetch: wit::Fetch) -> Fetch {
    let wit::Fetch { method, url, headers, body, timeout_ms, secret, retryable } = fetch;
    let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
    Fetch { method, url, headers, body, timeout_ms, secret, retryable }
}

impl Operations {
    /// Begins a request, or says why not.
    pub(super) fn fetch(&mut self, agent: &Arc<Shared>, fetch: wit::Fetch) -> Result<u64, wit::Refusal> {
        if let Some(name) = &fetch.secret {
            return Err(not_granted(format!("the secret {:?} is not granted to this agent", short(name))));
        }
        let requests = self.running.values().filter(|state| state.is_request()).count();
        if requests >= MAX_REQUESTS {
            let reason = format!("{MAX_REQUESTS} requests are in flight already; wait for one to complete");
            return Err(refusal(wit::RefusalCode::LimitExceeded, reason));
        }
        let fetch = Box::new(kept(fetch));
        Egress::check(&self.grants.egress, &request(&fetch)).map_err(|refused| match refused {
            Refused::NotGranted(reason) => not_granted(reason),
            Refused::Invalid(reason) => refusal(wit::RefusalCode::Invalid, reason),
            Refused::TooLarge(reason) => refusal(wit::RefusalCode::LimitExceeded, reason),
        })?;
        self.last += 1;
        let op = self.last;
        let state = if is_repeatable(&fetch.method) {
            self.ask(agent, op, fetch)
        } else {
            State::Held(Effect::Request(fetch))
        };
        self.running.insert(op, state);
        Ok(op)
    }

    /// Makes a request that may be made again.
    pub(super) fn ask(&self, agent: &Arc<Shared>, op: u64, fetch: Box<Fetch>) -> State {
        let task = self.outbox.ask(agent, op, request(&fetch), self.grants.egress.clone());
        State::Asking(fetch, task)
    }
}

impl State {
    fn is_request(&self) -> bool {
        matches!(
            self,
            Self::Asking(..) | Self::Held(Effect::Request(_)) | Self::Out { .. } | Self::Awaited { .. }
        )
    }
}
