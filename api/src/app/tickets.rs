//! Who may open a terminal.

use std::{borrow::Cow, sync::Arc};

use jiff::Timestamp;
use wire::{
    AgentId, HostId,
    access::{NewTicket, Role, Scope, Ticket},
    agent::Status,
    host::{Redeem, Redeemed},
    ids::TicketId,
    problem::Code,
    terminal,
};

use super::{App, access::Caller};
use crate::{
    auth::{
        session::expiry,
        ticket::{TICKET_LIFE, TicketClaims, to_protocol},
    },
    domain::agent::Agent,
    error::Error,
    hosts::To,
};

/// What a client shows at a socket. Not `Debug`: it holds secrets.
pub(crate) enum Credential {
    /// A ticket: used up by this.
    Ticket(String),
    /// A token, and the role the client wants.
    Token(Caller, Role),
}

/// A socket that may be opened.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Whose terminal; it runs, or is suspended and its screen is served.
    pub(crate) agent: Agent,
    /// The host that has it.
    pub(crate) to: To,
    /// What the socket may do.
    pub(crate) role: Role,
}

impl App {
    /// A ticket for one socket of one agent.
    pub(crate) async fn ticket(&self, caller: &Caller, id: AgentId, new: NewTicket) -> Result<Ticket, Error> {
        caller.need(Scope::Terminal)?;
        let agent = self.owned(caller, id).await?;
        if agent.status.is_final() {
            return Err(ended(&agent));
        }
        self.issue_ticket(&agent, new.role, new.wake)
    }

    /// Signs a ticket.
    pub(super) fn issue_ticket(&self, agent: &Agent, role: Role, wake: bool) -> Result<Ticket, Error> {
        let expires_at = expiry(Timestamp::now(), TICKET_LIFE);
        let claims = TicketClaims {
            id: TicketId::new(),
            agent: agent.id,
            tenant: agent.tenant,
            epoch: None,
            role,
            wake,
            expires_at,
        };
        let ticket = self.keys.ticket.sign(&claims).map_err(Error::internal)?;
        let protocols = vec![terminal::PROTOCOL.to_owned(), to_protocol(&ticket)];
        Ok(Ticket { ticket, url: self.socket_url(agent), protocols, expires_at, role, wake })
    }

    /// Where an agent's sockets are opened: here, or at its host where clients can reach hosts.
    fn socket_url(&self, agent: &Agent) -> String {
        let direct = agent.host.filter(|_| self.settings.direct_hosts);
        if let Some(url) = direct.and_then(|host| self.fleet.public_url(host)) {
            return format!("{}/wire/v1/agents/{}/socket", url.trim_end_matches('/'), agent.id);
        }
        let base: Cow<'_, str> = match self.settings.public_url.strip_prefix("http") {
            Some(rest) => format!("ws{rest}").into(),
            None => self.settings.public_url.as_str().into(),
        };
        format!("{base}/v1/agents/{}/socket", agent.id)
    }

    /// Decides about a socket. A ticket is used up when nothing else stands against it, and before anything
    /// is done for it.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        id: AgentId,
        credential: Credential,
    ) -> Result<Admitted, Error> {
        let (agent, role, used) = match credential {
            Credential::Token(caller, role) => {
                caller.need(Scope::Terminal)?;
                (self.owned(&caller, id).await?, role, None)
            }
            Credential::Ticket(text) => {
                let claims = self.claims(&text)?;
                if claims.agent != id {
                    return Err(Error::with(Code::Unauthenticated, "the ticket is for another agent"));
                }
                crate::edge::record_tenant(claims.tenant);
                crate::edge::record_agent(id);
                let agent = self.store.agent(id).await?.ok_or_else(Error::not_found)?;
                (agent, claims.role, Some(claims))
            }
        };
        match agent.status {
            Status::Running
            | Status::Suspending
            | Status::Suspended
            | Status::Resuming
            | Status::Migrating => {}
            status if status.is_final() => return Err(ended(&agent)),
            status => return Err(super::files::not_running(status)),
        }
        let wake = used.as_ref().is_some_and(|claims| claims.wake);
        if let Some(claims) = used {
            self.use_up(&claims).await?;
        }
        let (agent, to) = self.serving(agent, wake).await?;
        Ok(Admitted { agent, to, role })
    }

    /// Redeems a ticket that a client gave to a host directly, if it came from an allowed origin.
    pub(crate) async fn redeem(self: &Arc<Self>, host: HostId, redeem: Redeem) -> Result<Redeemed, Error> {
        if !redeem.origin.is_some_and(|origin| self.origin_allowed(&origin)) {
            return Err(Error::new(Code::OriginDenied));
        }
        let claims = self.claims(&redeem.ticket)?;
        let agent = self.store.agent(claims.agent).await?.ok_or_else(Error::not_found)?;
        if agent.status.is_final() {
            return Err(ended(&agent));
        }
        if agent.host != Some(host) {
            return Err(Error::with(Code::EpochChanged, "the agent is not on this host"));
        }
        self.use_up(&claims).await?;
        if claims.wake && agent.status == Status::Suspended {
            // It is shown by this host, which is where it is resumed if there is room.
            self.stir(agent.id);
        }
        Ok(Redeemed { agent: agent.id, epoch: agent.epoch, role: claims.role })
    }

    fn claims(&self, ticket: &str) -> Result<TicketClaims, Error> {
        let claims = self.keys.ticket.verify(ticket, Timestamp::now());
        claims.map_err(|error| Error::with(Code::Unauthenticated, error.to_string()))
    }

    async fn use_up(&self, claims: &TicketClaims) -> Result<(), Error> {
        if self.store.redeem_ticket(claims.id, claims.expires_at).await? {
            return Ok(());
        }
        Err(Error::with(Code::Unauthenticated, "the ticket was used before"))
    }
}

/// The agent is over; why, where that is more than that somebody asked.
pub(super) fn ended(agent: &Agent) -> Error {
    let status = agent.status.as_str();
    let detail = match &agent.detail {
        Some(why) => format!("it is {status}: {why}"),
        None => format!("it is {status}"),
    };
    Error::with(Code::AgentTerminated, detail)
}
