//! Messages: into an agent's inbox from its owner, by a webhook or from another agent, and to its host.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use points::{Point, reach};
use sha2::{Digest as _, Sha256};
use wire::{
    AgentId, HostId, MessageId,
    access::Scope,
    agent::Status,
    egress::{MAX_BODY_BYTES, headers_fit},
    message::{
        Complete, Delivery, FailureCode, Hook, HookRequest, INBOX_PAGE, MAX_CONTENT_TYPE_BYTES, MAX_INBOX,
        MAX_INBOX_BYTES, MAX_MESSAGE_BYTES, Message, Outcome, Recipient, Send, Sender,
    },
    problem::Code,
};

use super::{App, access::Caller, tickets::ended, validate::Mistakes};
use crate::{
    auth::secret::Secret,
    domain::agent::Agent,
    edge::Chain,
    error::Error,
    hosts::Placed,
    store::{Delivered, HookCreated, Idempotency, MAX_HOOKS, Operation, Sent},
};

/// Longest name of a webhook, bytes of visible ASCII.
const MAX_HOOK_NAME_BYTES: usize = 64;
/// What a message is when its sender does not say.
const PLAIN: &str = "application/octet-stream";

/// A message as it came in.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// As its sender said.
    pub(crate) content_type: Option<String>,
    /// At most [`MAX_MESSAGE_BYTES`].
    pub(crate) body: Bytes,
    /// The `Idempotency-Key`.
    pub(crate) key: Option<String>,
}

/// A message that is in an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Its id.
    pub(crate) message: MessageId,
    /// Whether an earlier request with the same key brought it.
    pub(crate) replayed: bool,
}

impl App {
    /// Puts a message into the inbox of an agent of the caller's tenant: durable when this returns.
    pub(crate) async fn message(
        self: &Arc<Self>,
        caller: &Caller,
        id: AgentId,
        incoming: Incoming,
    ) -> Result<Accepted, Error> {
        caller.need(Scope::AgentsWrite)?;
        let agent = self.owned(caller, id).await?;
        if agent.status.is_final() {
            return Err(ended(&agent));
        }
        self.deliver(id, Sender::Api {}, incoming).await
    }

    /// Puts what came to a webhook into its agent's inbox. An address that is none and one of an agent
    /// that is over look the same.
    pub(crate) async fn hooked(self: &Arc<Self>, secret: &str) -> Result<(AgentId, String), Error> {
        let secret = Secret::parse(secret).ok_or_else(Error::not_found)?;
        let (agent, name) = self.store.hook(secret.hash()).await?.ok_or_else(Error::not_found)?;
        crate::edge::record_agent(agent);
        Ok((agent, name))
    }

    /// Puts a message into an inbox and sees that the agent hears of it.
    pub(crate) async fn deliver(
        self: &Arc<Self>,
        to: AgentId,
        sender: Sender,
        incoming: Incoming,
    ) -> Result<Accepted, Error> {
        let content_type = incoming.content_type.unwrap_or_else(|| PLAIN.to_owned());
        if let Err(why) = fits(&content_type, &incoming.body) {
            let is_large = incoming.body.len() > MAX_MESSAGE_BYTES;
            return Err(if is_large {
                Error::with(Code::TooLarge, why)
            } else {
                Error::field("/content-type", why)
            });
        }
        let now = Timestamp::now();
        let idempotency =
            incoming.key.map(|key| Idempotency::new(key, fingerprint(&content_type, &incoming.body), now));
        let id = MessageId::new();
        let message = Message { id, sender, content_type, body: incoming.body.to_vec(), sent_at: now };
        match self.store.deliver(to, message, idempotency).await? {
            Delivered::New { .. } => {
                reach(Point::Delivered, [to]).await;
                self.stir(to);
                Ok(Accepted { message: id, replayed: false })
            }
            Delivered::Replayed { message } => Ok(Accepted { message, replayed: true }),
            Delivered::KeyReused => Err(Error::new(Code::IdempotencyKeyReused)),
            Delivered::Full => {
                let detail = format!(
                    "as many messages wait for the agent as may: {MAX_INBOX}, or {MAX_INBOX_BYTES} bytes"
                );
                Err(Error::with(Code::QuotaExceeded, detail))
            }
            Delivered::Ended => Err(Error::new(Code::AgentTerminated)),
            Delivered::Missing => Err(Error::not_found()),
        }
    }

    /// What an agent's inbox holds, for the host that has it.
    pub(crate) async fn inbox(
        &self,
        host: HostId,
        id: AgentId,
        epoch: u64,
        after: u64,
    ) -> Result<Vec<Delivery>, Error> {
        let agent = self.store.agent(id).await?.ok_or_else(Error::not_found)?;
        if (agent.host, agent.epoch) != (Some(host), epoch) || agent.status.is_final() {
            return Err(Error::with(Code::EpochChanged, "the agent is at another placement"));
        }
        Ok(self.store.inbox(id, after, INBOX_PAGE).await?)
    }

    /// Does an agent's `send`; how that ended goes into the agent's inbox. Its grant is checked here too:
    /// a host is not believed about it.
    pub(crate) async fn send(self: &Arc<Self>, host: HostId, id: AgentId, send: Send) -> Result<(), Error> {
        let sender = self.store.agent(id).await?.ok_or_else(Error::not_found)?;
        // What a checkpoint holds leaves even after the agent itself has left that host.
        let is_there = sender.host == Some(host) || sender.host.is_none() && sender.home == Some(host);
        if !is_there || sender.epoch != send.epoch || sender.status.is_final() {
            return Err(Error::with(Code::EpochChanged, "the agent is at another placement"));
        }
        let operation = Operation { agent: id, epoch: send.epoch, timeline: send.timeline, op: send.op };
        let now = Timestamp::now();
        let sent = match self.recipient(&sender, &send).await? {
            Ok(to) => {
                let message = Message {
                    id: MessageId::new(),
                    sender: Sender::Agent { id },
                    content_type: send.content_type,
                    body: send.body,
                    sent_at: now,
                };
                let sent = self.store.send(operation, to, message).await?;
                reach(Point::Sent, [id]).await;
                if matches!(sent, Sent::Done(Outcome::Sent { .. })) {
                    self.stir(to);
                }
                sent
            }
            Err(reason) => {
                let outcome = Outcome::Failed { code: FailureCode::RefusedByPeer, reason, retryable: false };
                self.store.complete(operation, outcome, now).await?
            }
        };
        match sent {
            Sent::Done(_) => {
                self.stir(id);
                Ok(())
            }
            Sent::Stale => Err(Error::with(Code::EpochChanged, "the agent is at another placement")),
        }
    }

    /// How an operation ended that a host did for an agent, which may have left that host by now.
    pub(crate) async fn complete(self: &Arc<Self>, id: AgentId, complete: Complete) -> Result<(), Error> {
        let Complete { epoch, timeline, op, outcome } = complete;
        if let Outcome::Fetched { headers, body, .. } = &outcome {
            let bytes = headers.iter().map(|header| header.name.len() + header.value.len());
            if body.len() > MAX_BODY_BYTES || !headers_fit(bytes) {
                return Err(Error::with(Code::TooLarge, "an answer is longer than it may be"));
            }
        }
        let operation = Operation { agent: id, epoch, timeline, op };
        match self.store.complete(operation, outcome, Timestamp::now()).await? {
            Sent::Done(_) => {
                self.stir(id);
                Ok(())
            }
            Sent::Stale => Err(Error::with(Code::EpochChanged, "that life of the agent is over")),
        }
    }

    /// Whom a message goes to, or why it goes to nobody.
    async fn recipient(&self, sender: &Agent, send: &Send) -> Result<Result<AgentId, String>, Error> {
        if let Err(why) = fits(&send.content_type, &send.body) {
            return Ok(Err(why));
        }
        let Ok(to) = send.to.parse::<AgentId>() else { return Ok(Err("no such agent".to_owned())) };
        let allowed = sender.spec.send_to.iter().any(|granted| match granted {
            Recipient::Tenant => true,
            Recipient::Agent(id) => *id == to,
        });
        if !allowed {
            return Ok(Err("the agent may not send to that agent".to_owned()));
        }
        let there = self.store.agent(to).await?.filter(|agent| agent.tenant == sender.tenant);
        Ok(match there {
            None => Err("no such agent".to_owned()),
            Some(agent) if agent.status.is_final() => Err("that agent has ended".to_owned()),
            Some(_) => Ok(to),
        })
    }

    /// Sees in the background that an agent hears of what is in its inbox.
    pub(super) fn stir(self: &Arc<Self>, id: AgentId) {
        let app = self.clone();
        self.detach(async move {
            reach(Point::Untold, [id]).await;
            let stirred = match app.store.agent(id).await {
                Ok(Some(agent)) => app.rouse(agent).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = stirred {
                // The reconciler does it again.
                tracing::warn!(agent = %id, error = %Chain(&error), "an agent was not told of its inbox");
            }
        });
    }

    /// Wakes an agent that has something in its inbox, or has its host read it. One that is on its way to
    /// a host reads it there.
    pub(crate) async fn rouse(self: &Arc<Self>, agent: Agent) -> Result<(), Error> {
        if agent.status == Status::Suspended {
            return self.wake(agent).await.map(drop);
        }
        let Some(to) = agent.host.and_then(|host| self.fleet.to(host)) else { return Ok(()) };
        let which = Placed { agent: agent.id, epoch: agent.epoch };
        if let Err(error) = self.hosts.nudge(&to, which).await {
            tracing::debug!(agent = %agent.id, host = %to.id, error = %Chain(&error), "not nudged");
        }
        Ok(())
    }

    /// Gives an agent a webhook; its address is in this answer and nowhere else.
    pub(crate) async fn create_hook(
        &self,
        caller: &Caller,
        id: AgentId,
        request: HookRequest,
    ) -> Result<Hook, Error> {
        caller.need(Scope::AgentsWrite)?;
        let agent = self.owned(caller, id).await?;
        let name = request.name;
        let mut mistakes = Mistakes::default();
        mistakes.unless(
            is_hook_name(&name),
            "/name",
            format!("must be 1 to {MAX_HOOK_NAME_BYTES} visible ASCII characters without slashes"),
        );
        mistakes.none()?;
        let (secret, now) = (Secret::random(), Timestamp::now());
        match self.store.create_hook(id, name.clone(), secret.hash(), now).await? {
            HookCreated::Done => {
                let url = format!("{}/v1/hooks/{}", self.settings.public_url, secret.expose());
                Ok(Hook { name, url: Some(url), created_at: now })
            }
            HookCreated::Exists => Err(Error::field("/name", "the agent has a webhook of this name")),
            HookCreated::Full => {
                Err(Error::with(Code::QuotaExceeded, format!("an agent may have {MAX_HOOKS} webhooks")))
            }
            HookCreated::Missing => Err(ended(&agent)),
        }
    }

    /// An agent's webhooks, without their addresses.
    pub(crate) async fn hooks_of(&self, caller: &Caller, id: AgentId) -> Result<Vec<Hook>, Error> {
        caller.need(Scope::AgentsRead)?;
        self.owned(caller, id).await?;
        let hooks = self.store.hooks(id).await?;
        let hooks = hooks.into_iter();
        Ok(hooks.map(|hook| Hook { name: hook.name, url: None, created_at: hook.created_at }).collect())
    }

    /// Takes a webhook away: its address means nothing any more.
    pub(crate) async fn delete_hook(&self, caller: &Caller, id: AgentId, name: String) -> Result<(), Error> {
        caller.need(Scope::AgentsWrite)?;
        self.owned(caller, id).await?;
        // What cannot be a name is none.
        if is_hook_name(&name) && self.store.delete_hook(id, name).await? {
            return Ok(());
        }
        Err(Error::not_found())
    }
}

fn is_hook_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
    (1..=MAX_HOOK_NAME_BYTES).contains(&name.len()) && name.bytes().all(plain)
}

/// Whether a message is within its bounds; why not.
fn fits(content_type: &str, body: &[u8]) -> Result<(), String> {
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(format!("a message may have {MAX_MESSAGE_BYTES} bytes"));
    }
    let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if !(1..=MAX_CONTENT_TYPE_BYTES).contains(&content_type.len()) || !content_type.bytes().all(plain) {
        return Err(format!("a content type has 1 to {MAX_CONTENT_TYPE_BYTES} visible ASCII characters"));
    }
    Ok(())
}

fn fingerprint(content_type: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    // No content type holds a NUL.
    hash.update(content_type.as_bytes());
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_bounds() {
        assert!(fits("application/json", &[0; MAX_MESSAGE_BYTES]).is_ok());
        assert!(fits("application/json", &[0; MAX_MESSAGE_BYTES + 1]).is_err());
        for wrong in ["", "a\nb", "ä", &"a".repeat(MAX_CONTENT_TYPE_BYTES + 1)] {
            assert!(fits(wrong, b"").is_err(), "{wrong}");
        }
    }

    #[test]
    fn another_content_type_is_another_message() {
        assert_ne!(fingerprint("a", b"b"), fingerprint("a", b"c"));
        assert_ne!(fingerprint("a", b"b"), fingerprint("ab", b""));
    }

    #[test]
    fn a_hook_is_named_by_what_fits_in_a_path() {
        assert!(is_hook_name("git-hub.main"));
        for wrong in ["", "a/b", "a b", "é", &"a".repeat(65)] {
            assert!(!is_hook_name(wrong), "{wrong}");
        }
    }
}
