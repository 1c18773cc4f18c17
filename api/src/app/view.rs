//! From rows to what callers see.

use std::time::Duration;

use super::App;
use crate::domain::{agent::Agent, host::Host, tenant::Token};

impl App {
    /// An agent as its tenant sees it.
    pub(crate) fn view(&self, agent: Agent) -> wire::agent::Agent {
        wire::agent::Agent {
            terminal_url: format!("{}/agents/{}/terminal", self.settings.public_url, agent.id),
            id: agent.id,
            tenant: agent.tenant,
            name: agent.spec.name,
            image: agent.spec.image,
            image_digest: agent.spec.digest,
            status: agent.status,
            desired_status: agent.desired,
            status_reason: agent.reason,
            status_detail: agent.detail,
            epoch: agent.epoch,
            version: agent.version,
            host: agent.host,
            suspendable: agent.spec.suspendable,
            on_drain: agent.spec.on_drain,
            checkpoint: agent.checkpoint.map(|checkpoint| checkpoint.id),
            parent: agent.parent,
            wakes_at: agent.wake_at.filter(|_| agent.status == wire::agent::Status::Suspended),
            idle_timeout_seconds: agent.spec.idle_timeout_seconds,
            send_to: agent.spec.send_to,
            egress: agent.spec.egress,
            limits: agent.spec.limits,
            expires_at: agent.expires_at,
            metadata: agent.metadata,
            created_at: agent.created_at,
            updated_at: agent.updated_at,
            started_at: agent.started_at,
        }
    }
}

/// A host as an operator sees it.
pub(super) fn host(host: Host, lease_age: Duration) -> wire::fleet::Host {
    wire::fleet::Host {
        id: host.id,
        incarnation: host.incarnation,
        state: host.state,
        address: host.address,
        capacity_agents: host.capacity,
        agents: host.agents,
        memory_mib: host.memory_bytes / (1024 * 1024),
        lease_age_seconds: lease_age.as_secs_f64(),
        registered_at: host.registered_at,
        version: host.version,
    }
}

/// A token without its hash.
pub(super) fn token(token: Token) -> wire::access::Token {
    wire::access::Token {
        id: token.id,
        tenant: token.tenant,
        name: token.name,
        scopes: token.scopes,
        created_at: token.created_at,
        expires_at: token.expires_at,
    }
}
