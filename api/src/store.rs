//! The store, in the control plane's own verbs: each method is one atomic step that every backend
//! can do. It is not a key-value interface; a generic one would re-implement its largest backend.
//!
//! Every backend passes the contract suite in `api/tests/store.rs` (one function per promise).
//! A write that returned ok survives `kill -9` and power loss.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use wire::{
    AgentId, CheckpointId, HostId, Incarnation, MessageId, PackId, TenantId, TokenId,
    host::{CommitRefused, Commits, Heartbeat, Lease},
    ids::TicketId,
    message::{Delivery, Message, Outcome},
};

use crate::domain::{
    agent::{Agent, Expect, Patch},
    checkpoint::Checkpoint,
    hook::Hook,
    host::Host,
    tenant::{Session, Tenant, Token},
};

pub mod sqlite;

/// A pack nobody refers to is kept this long from its registration: a host's next commits may refer to it.
pub const PACK_GRACE: SignedDuration = SignedDuration::from_mins(10);
/// What was forgotten is known to be gone for this long: commits and messages that were on their way then are
/// told so, or are told what came of them.
pub const LATE: SignedDuration = SignedDuration::from_hours(24);
/// Most packs a checkpoint may refer to.
pub const MAX_PACKS: usize = 4096;
/// Most webhooks of one agent.
pub const MAX_HOOKS: usize = 16;

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

/// The idempotency of a spawn or a fork, whose key is the tenant's, or of a message, whose key is its recipient's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// As the client gave it.
    pub key: String,
    /// SHA-256 of the request body.
    pub fingerprint: [u8; 32],
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

impl Idempotency {
    /// How long a key is remembered.
    pub const LIFE: SignedDuration = SignedDuration::from_hours(24);

    /// For a key that is given at `now`.
    #[must_use]
    pub fn new(key: String, fingerprint: [u8; 32], now: Timestamp) -> Self {
        Self { key, fingerprint, expires_at: now.saturating_add(Self::LIFE).unwrap_or(Timestamp::MAX) }
    }
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
    /// The checkpoint it is to go on from is not there any more.
    CheckpointGone,
}

/// The answer to a conditional write.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// Done; the row as it is now.
    Done(Agent),
    /// The expectation did not hold, the transition is not legal, or a checkpoint is not there; the row as it is.
    Conflict(Agent),
    /// No such row.
    Missing,
}

/// The answer to [`Store::commit`].
#[derive(Debug, Clone, PartialEq)]
pub enum Committed {
    /// All were recorded or had been, but for these.
    Done {
        /// Those that were not.
        refused: Vec<CommitRefused>,
        /// Rows that this call suspended or released.
        moved: Vec<Agent>,
    },
    /// The host's row is another incarnation's, dead, or not there; nothing was recorded.
    Fenced,
}

/// The answer to [`Store::delete_checkpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointDeleted {
    /// It is gone.
    Done,
    /// An agent that is not final has it as its last or the one before.
    InUse,
    /// It was not there.
    Missing,
}

/// The answer to [`Store::deliver`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It is in the inbox now.
    New {
        /// Its number there.
        seq: u64,
    },
    /// The same key and body came before.
    Replayed {
        /// The message it made.
        message: MessageId,
    },
    /// The same key came with another body.
    KeyReused,
    /// As many messages wait as may.
    Full,
    /// The agent is over.
    Ended,
    /// No such agent.
    Missing,
}

/// An agent's operation with an outside effect: sent again, it is the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Whose.
    pub agent: AgentId,
    /// Of the placement that asks.
    pub epoch: u64,
    /// Of which of its lives.
    pub timeline: u64,
    /// Its number there.
    pub op: u64,
}

/// The answer to [`Store::send`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// How it ended, now or when it came before; the agent's inbox has it.
    Done(Outcome),
    /// The agent is at another epoch or timeline, or over.
    Stale,
}

/// The answer to [`Store::create_hook`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookCreated {
    /// A new row.
    Done,
    /// The agent has one of this name.
    Exists,
    /// The agent has as many as it may.
    Full,
    /// No such agent, or it is over.
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
    /// Inserts an agent, its idempotency record with it, within the tenant's quota. One that has a checkpoint (a
    /// fork) keeps that and its packs from now on, and its inbox begins after what the checkpoint covers.
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
    /// Changes a row when `expect` holds, the transition is legal, and the checkpoints it names are there; raises
    /// its version. One that becomes final loses its inbox, its webhooks and its checkpoints, also those that
    /// were asked for; what a fork goes on from stays for that.
    async fn update_agent(
        &self,
        id: AgentId,
        expect: Expect,
        patch: Patch,
        now: Timestamp,
    ) -> Result<Written, StoreError>;
    /// Gives an agent that waits for a host to one, epoch + 1: a `pending` one is `starting`, one that is
    /// `resuming` or `migrating` stays so. The one write that decides an owner.
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
    /// Agents whose deadline, timer or lifetime is past, at most `limit`, most overdue first.
    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Agent>, StoreError>;
    /// Agents that wait for a host ([`Agent::waits`]), oldest first, those after `after` (exclusive), at most
    /// `limit`.
    async fn waiting(&self, after: Option<AgentId>, limit: usize) -> Result<Vec<Agent>, StoreError>;

    /// Records what a host committed, all in one step: the packs, the checkpoints, and what becomes of their
    /// agents by [`Agent::committed`]. A commit that was recorded before is recorded. What both checkpoints of
    /// an agent cover leaves its inbox; automatic checkpoints that nobody goes on from any more are forgotten.
    async fn commit(&self, host: HostId, commits: Commits, now: Timestamp) -> Result<Committed, StoreError>;
    /// A checkpoint by id, whoever owns it.
    async fn checkpoint(&self, id: CheckpointId) -> Result<Option<Checkpoint>, StoreError>;
    /// An agent's checkpoints, newest first, those before `after` (exclusive), at most `limit`.
    async fn checkpoints(
        &self,
        agent: AgentId,
        after: Option<CheckpointId>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>, StoreError>;
    /// Removes a checkpoint that no agent goes on from.
    async fn delete_checkpoint(&self, id: CheckpointId) -> Result<CheckpointDeleted, StoreError>;

    /// Packs to be deleted from the object store, at most `limit`: no checkpoint refers to them, they are older
    /// than [`PACK_GRACE`], and from now on no commit may.
    async fn garbage(&self, limit: usize, now: Timestamp) -> Result<Vec<PackId>, StoreError>;
    /// Of packs that were found in the object store those that no commit ever brought; from now on none may. They
    /// are garbage at once, so the caller asks only for such as are too old to be on their way.
    async fn disown(&self, packs: Vec<PackId>, now: Timestamp) -> Result<Vec<PackId>, StoreError>;
    /// A pack that was garbage is deleted from the object store.
    async fn forget_pack(&self, id: PackId, now: Timestamp) -> Result<(), StoreError>;

    /// Puts a message into an agent's inbox, within its bounds ([`wire::message::MAX_INBOX`],
    /// [`wire::message::MAX_INBOX_BYTES`]): durable when this returns.
    async fn deliver(
        &self,
        agent: AgentId,
        message: Message,
        idempotency: Option<Idempotency>,
    ) -> Result<Delivered, StoreError>;
    /// Does an agent's `send`: the message into the inbox of `to`, and how that ended into the agent's own.
    async fn send(&self, operation: Operation, to: AgentId, message: Message) -> Result<Sent, StoreError>;
    /// Ends an agent's operation without doing it, or as its host did it, whose placement may be over: how it ended goes
    /// into its inbox. What is said first counts; of an answer the body is in the inbox alone.
    async fn complete(
        &self,
        operation: Operation,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Sent, StoreError>;
    /// What is in an agent's inbox after `after`, in its order, at most `limit`. What a checkpoint covered before
    /// its agent was restored to an earlier one is not delivered again, whatever `after` is.
    async fn inbox(&self, agent: AgentId, after: u64, limit: usize) -> Result<Vec<Delivery>, StoreError>;
    /// Agents, in the order of their ids, with something in their inbox that their last checkpoint does not cover;
    /// those after `after` (exclusive), at most `limit`.
    async fn with_mail(&self, after: Option<AgentId>, limit: usize) -> Result<Vec<Agent>, StoreError>;

    /// Gives an agent a webhook, by the SHA-256 of its secret; at most [`MAX_HOOKS`], one of a name.
    async fn create_hook(
        &self,
        agent: AgentId,
        name: String,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Result<HookCreated, StoreError>;
    /// An agent's webhooks by name.
    async fn hooks(&self, agent: AgentId) -> Result<Vec<Hook>, StoreError>;
    /// Whose webhook that is, and its name.
    async fn hook(&self, hash: [u8; 32]) -> Result<Option<(AgentId, String)>, StoreError>;
    /// Removes a webhook; false when it is not there.
    async fn delete_hook(&self, agent: AgentId, name: String) -> Result<bool, StoreError>;

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

    /// Forgets what has expired (keys, codes, sessions, tickets, packs, operations), at most `limit` rows; how many.
    async fn forget_expired(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;
    /// Whether the store answers, for `/readyz`.
    async fn ping(&self) -> Result<(), StoreError>;
}
