//! The store, in the control plane's own verbs: each method is one atomic step that every backend
//! can do. It is not a key-value interface; a generic one would re-implement its largest backend.
//!
//! Every backend passes the contract suite in `api/tests/store.rs` (one function per promise).
//! A write that returned ok survives `kill -9` and power loss.

use async_trait::async_trait;
use jiff::Timestamp;
use wire::{
    AgentId, HostId, Incarnation, TenantId, TokenId,
    host::{Heartbeat, Lease},
    ids::TicketId,
};

use crate::domain::{
    agent::{Agent, Expect, Patch},
    host::Host,
    tenant::{Session, Tenant, Token},
};

pub mod sqlite;

/// Why a step was not done. A refusal by the data itself is in the step's own answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or is overloaded; the step may or may not have been done.
    #[error("store unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No space left; nothing was changed.
    #[error("store is full")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A row that this version cannot read.
    #[error("store holds an unreadable {what}")]
    Corrupt {
        /// Of what kind.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A spawn's idempotency: the key is scoped to tenant and route, and kept for 24 h.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// As the client gave it.
    pub key: String,
    /// SHA-256 of the request body.
    pub fingerprint: [u8; 32],
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

/// The answer to [`Store::create_agent`].
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// A new row.
    Created(Agent),
    /// The same key and body came before: the row it made, as it is now.
    Replayed(Agent),
    /// The same key came with another body.
    KeyReused,
    /// The tenant has as many live agents as it may; one that is not there may have none.
    QuotaExceeded {
        /// How many that is.
        max_agents: u32,
    },
}

/// The answer to a conditional write.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// Done; the row as it is now.
    Done(Agent),
    /// The expectation did not hold, or the transition is not legal; the row as it is.
    Conflict(Agent),
    /// No such row.
    Missing,
}

/// Which agents a list shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Only these statuses; empty means all.
    pub status: Vec<wire::agent::Status>,
    /// Only this name.
    pub name: Option<String>,
    /// Only with these pairs.
    pub metadata: Vec<(String, String)>,
}

/// The store.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Inserts an agent in `pending`, its idempotency record with it, within the tenant's quota.
    async fn create_agent(
        &self,
        agent: Agent,
        idempotency: Option<Idempotency>,
    ) -> Result<Created, StoreError>;
    /// An agent by id, whoever owns it: callers compare the tenant.
    async fn agent(&self, id: AgentId) -> Result<Option<Agent>, StoreError>;
    /// A tenant's agents, newest first, those before `after` (exclusive), at most `limit`.
    async fn list_agents(
        &self,
        tenant: TenantId,
        filter: Filter,
        after: Option<AgentId>,
        limit: usize,
    ) -> Result<Vec<Agent>, StoreError>;
    /// Changes a row when `expect` holds and the transition is legal; raises its version.
    async fn update_agent(
        &self,
        id: AgentId,
        expect: Expect,
        patch: Patch,
        now: Timestamp,
    ) -> Result<Written, StoreError>;
    /// Gives a `pending` agent that is wanted running to a host: status `starting`, epoch + 1. The one
    /// write that decides an owner.
    async fn assign(
        &self,
        id: AgentId,
        expect_epoch: u64,
        host: HostId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<Written, StoreError>;
    /// Agents on a host that are not final.
    async fn agents_on_host(&self, host: HostId) -> Result<Vec<Agent>, StoreError>;
    /// Agents whose deadline or lifetime is past, at most `limit`, most overdue first.
    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Agent>, StoreError>;
    /// Agents that are `pending` and wanted running, oldest first, those after `after` (exclusive), at
    /// most `limit`.
    async fn pending(&self, after: Option<AgentId>, limit: usize) -> Result<Vec<Agent>, StoreError>;

    /// Inserts or supersedes a host's row: a new incarnation wins, with its `seq` at 0 and state active.
    async fn register_host(&self, host: Host) -> Result<(), StoreError>;
    /// Renews a lease: [`Lease::Fenced`] for another incarnation, a lower `seq` or a dead row. The same
    /// `seq` again is a renewal whose answer was lost, and is renewed.
    async fn renew_host(&self, id: HostId, beat: Heartbeat, now: Timestamp) -> Result<Lease, StoreError>;
    /// Declares a host dead, if its `incarnation` and `seq` are still these: true when this call did it.
    async fn bury_host(&self, id: HostId, incarnation: Incarnation, seq: u64) -> Result<bool, StoreError>;
    /// Every host that is not dead, and the dead of the last hour.
    async fn hosts(&self) -> Result<Vec<Host>, StoreError>;

    /// Inserts a tenant; false when its id is there already.
    async fn create_tenant(&self, tenant: Tenant) -> Result<bool, StoreError>;
    /// A tenant by id.
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError>;
    /// All tenants, oldest first.
    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError>;
    /// Inserts a token.
    async fn create_token(&self, token: Token) -> Result<(), StoreError>;
    /// A token by id.
    async fn token(&self, id: TokenId) -> Result<Option<Token>, StoreError>;
    /// A tenant's tokens, newest first.
    async fn tokens(&self, tenant: TenantId) -> Result<Vec<Token>, StoreError>;
    /// Removes a tenant's token and the sessions that came from it; false when it is not there.
    async fn delete_token(&self, tenant: TenantId, id: TokenId) -> Result<bool, StoreError>;

    /// Inserts a one-time sign-in code by its SHA-256, for a token.
    async fn create_code(
        &self,
        hash: [u8; 32],
        token: TokenId,
        expires_at: Timestamp,
    ) -> Result<(), StoreError>;
    /// Takes a code: its token, once, before it expires.
    async fn take_code(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<TokenId>, StoreError>;
    /// Inserts a console session; an error when its token is not there any more.
    async fn create_session(&self, session: Session) -> Result<(), StoreError>;
    /// A session that has not expired.
    async fn session(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<Session>, StoreError>;
    /// Ends a session; false when it is not there.
    async fn delete_session(&self, hash: [u8; 32]) -> Result<bool, StoreError>;
    /// Uses up a ticket: true the first time, false ever after.
    async fn redeem_ticket(&self, id: TicketId, expires_at: Timestamp) -> Result<bool, StoreError>;

    /// Forgets what has expired (keys, codes, sessions, tickets), at most `limit` rows; how many.
    async fn forget_expired(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;
    /// Whether the store answers, for `/readyz`.
    async fn ping(&self) -> Result<(), StoreError>;
}
