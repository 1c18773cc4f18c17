//! The embedded store: one SQLite file in WAL mode.
//!
//! One thread writes, with one transaction for all the steps that are waiting (group commit), and two
//! threads read; each has a connection of its own. A step's answer is sent after the commit that holds
//! it, with `synchronous=FULL`. SQL and rows are in the modules of each kind of thing; what a change
//! of an agent means is the domain's ([`Agent::patched`], [`Agent::assigned`]).

use std::{path::Path, thread::JoinHandle};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::mpsc;
use wire::{
    AgentId, CheckpointId, HostId, Incarnation, PackId, TenantId, TokenId,
    host::{Commits, Heartbeat, Lease},
    ids::TicketId,
    message::{Delivery, Message, Outcome},
};

use super::{
    CheckpointDeleted, Committed, Created, Delivered, Filter, HookCreated, Idempotency, Operation, Sent,
    Store, StoreError, Written,
};
use crate::domain::{
    agent::{Agent, Expect, Patch},
    checkpoint::Checkpoint,
    hook::Hook,
    host::Host,
    tenant::{Session, Tenant, Token},
};

mod access;
mod agents;
mod checkpoints;
mod commits;
mod error;
mod hooks;
mod hosts;
mod list;
mod mail;
mod open;
mod packs;
mod reader;
mod row;
mod schema;
mod step;
mod writer;

pub use error::OpenError;

use step::{Job, Step};

/// Steps that may wait for the writer, and for the readers, before a caller waits to hand one over.
const QUEUE: usize = 1024;
/// A host's commits have a transaction of their own when they are more than this.
const MANY: usize = 16;
/// Threads that read.
const READERS: usize = 2;

/// The embedded store. Dropping it finishes what is queued and closes the file cleanly.
#[derive(Debug)]
pub struct SqliteStore {
    // `None` only while dropping, and `reads` of a store in memory: it has one connection.
    writes: Option<mpsc::Sender<Box<dyn Step>>>,
    reads: Option<mpsc::Sender<Box<dyn Step>>>,
    writer: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens a store's file, making or migrating it.
    ///
    /// # Errors
    /// The file cannot be used; it was not changed.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = open::writer(path)?;
        let connections = (0..READERS).map(|_| open::reader(path)).collect::<Result<Vec<_>, _>>()?;
        let mut store = Self::start(connection)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        store.reads = Some(sender);
        store.readers = reader::spawn(connections, receiver)?;
        Ok(store)
    }

    /// A store that is gone when it is dropped.
    ///
    /// # Errors
    /// There is no memory or no thread for it.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::start(open::memory()?)
    }

    fn start(connection: Connection) -> Result<Self, OpenError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = writer::spawn(connection, receiver)?;
        Ok(Self { writes: Some(sender), reads: None, writer: Some(writer), readers: Vec::new() })
    }

    /// Does a step on the writing connection; its answer comes after the commit.
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Self::run(self.writes.as_ref(), work, false).await
    }

    /// The same for one that changes much: in a transaction of its own.
    async fn write_much<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Self::run(self.writes.as_ref(), work, true).await
    }

    /// Does one query on a reading connection: it sees every step that was answered before.
    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Self::run(self.reads.as_ref().or(self.writes.as_ref()), work, false).await
    }

    async fn run<T, F>(
        queue: Option<&mpsc::Sender<Box<dyn Step>>>,
        work: F,
        is_large: bool,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = Job::new(work, is_large);
        let queue = queue.ok_or_else(error::closed)?;
        queue.send(Box::new(job)).await.map_err(|_| error::closed())?;
        answer.await.unwrap_or_else(|_| Err(error::abandoned()))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.reads = None;
        for reader in self.readers.drain(..) {
            // A thread of ours catches the panics of its steps; one that died anyway has no connection
            // left to close.
            let _ = reader.join();
        }
        self.writes = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create_agent(
        &self,
        agent: Agent,
        idempotency: Option<Idempotency>,
    ) -> Result<Created, StoreError> {
        self.write(move |db| agents::create(db, agent, idempotency.as_ref())).await
    }

    async fn agent(&self, id: AgentId) -> Result<Option<Agent>, StoreError> {
        self.read(move |db| agents::get(db, id)).await
    }

    async fn list_agents(
        &self,
        tenant: TenantId,
        filter: Filter,
        after: Option<AgentId>,
        limit: usize,
    ) -> Result<Vec<Agent>, StoreError> {
        self.read(move |db| list::agents(db, tenant, &filter, after, limit)).await
    }

    async fn update_agent(
        &self,
        id: AgentId,
        expect: Expect,
        patch: Patch,
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        self.write(move |db| agents::change(db, id, |agent| agent.patched(&expect, &patch, now))).await
    }

    async fn assign(
        &self,
        id: AgentId,
        expect_epoch: u64,
        host: HostId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        let assigned = move |agent: &Agent| agent.assigned(expect_epoch, host, deadline, now);
        self.write(move |db| agents::change(db, id, assigned)).await
    }

    async fn agents_on_host(&self, host: HostId) -> Result<Vec<Agent>, StoreError> {
        self.read(move |db| agents::on_host(db, host)).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Agent>, StoreError> {
        self.read(move |db| agents::overdue(db, now, limit)).await
    }

    async fn waiting(&self, after: Option<AgentId>, limit: usize) -> Result<Vec<Agent>, StoreError> {
        self.read(move |db| agents::waiting(db, after, limit)).await
    }

    async fn commit(&self, host: HostId, commits: Commits, now: Timestamp) -> Result<Committed, StoreError> {
        let is_large = commits.commits.len() > MANY;
        let work = move |db: &Connection| commits::commit(db, host, commits, now);
        if is_large { self.write_much(work).await } else { self.write(work).await }
    }

    async fn checkpoint(&self, id: CheckpointId) -> Result<Option<Checkpoint>, StoreError> {
        self.read(move |db| checkpoints::get(db, id)).await
    }

    async fn checkpoints(
        &self,
        agent: AgentId,
        after: Option<CheckpointId>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        self.read(move |db| checkpoints::of_agent(db, agent, after, limit)).await
    }

    async fn delete_checkpoint(&self, id: CheckpointId) -> Result<CheckpointDeleted, StoreError> {
        self.write(move |db| checkpoints::delete(db, id)).await
    }

    async fn garbage(&self, limit: usize, now: Timestamp) -> Result<Vec<PackId>, StoreError> {
        self.write(move |db| packs::garbage(db, limit, now)).await
    }

    async fn disown(&self, packs: Vec<PackId>, now: Timestamp) -> Result<Vec<PackId>, StoreError> {
        self.write(move |db| packs::disown(db, &packs, now)).await
    }

    async fn forget_pack(&self, id: PackId, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |db| packs::forget(db, id, now)).await
    }

    async fn deliver(
        &self,
        agent: AgentId,
        message: Message,
        idempotency: Option<Idempotency>,
    ) -> Result<Delivered, StoreError> {
        self.write(move |db| mail::deliver(db, agent, &message, idempotency.as_ref())).await
    }

    async fn send(&self, operation: Operation, to: AgentId, message: Message) -> Result<Sent, StoreError> {
        self.write(move |db| mail::send(db, operation, to, &message)).await
    }

    async fn complete(
        &self,
        operation: Operation,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Sent, StoreError> {
        self.write(move |db| mail::complete(db, operation, outcome, now)).await
    }

    async fn inbox(&self, agent: AgentId, after: u64, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |db| mail::inbox(db, agent, after, limit)).await
    }

    async fn with_mail(&self, after: Option<AgentId>, limit: usize) -> Result<Vec<Agent>, StoreError> {
        self.read(move |db| mail::with_mail(db, after, limit)).await
    }

    async fn create_hook(
        &self,
        agent: AgentId,
        name: String,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Result<HookCreated, StoreError> {
        self.write(move |db| hooks::create(db, agent, &name, &hash, now)).await
    }

    async fn hooks(&self, agent: AgentId) -> Result<Vec<Hook>, StoreError> {
        self.read(move |db| hooks::all(db, agent)).await
    }

    async fn hook(&self, hash: [u8; 32]) -> Result<Option<(AgentId, String)>, StoreError> {
        self.read(move |db| hooks::get(db, &hash)).await
    }

    async fn delete_hook(&self, agent: AgentId, name: String) -> Result<bool, StoreError> {
        self.write(move |db| hooks::delete(db, agent, &name)).await
    }

    async fn register_host(&self, host: Host) -> Result<(), StoreError> {
        self.write(move |db| hosts::register(db, &host)).await
    }

    async fn renew_host(&self, id: HostId, beat: Heartbeat, now: Timestamp) -> Result<Lease, StoreError> {
        self.write(move |db| hosts::renew(db, id, &beat, now)).await
    }

    async fn bury_host(&self, id: HostId, incarnation: Incarnation, seq: u64) -> Result<bool, StoreError> {
        self.write(move |db| hosts::bury(db, id, incarnation, seq, Timestamp::now())).await
    }

    async fn hosts(&self) -> Result<Vec<Host>, StoreError> {
        self.read(|db| hosts::all(db, Timestamp::now())).await
    }

    async fn create_tenant(&self, tenant: Tenant) -> Result<bool, StoreError> {
        self.write(move |db| access::create_tenant(db, &tenant)).await
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        self.read(move |db| access::tenant(db, id)).await
    }

    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        self.read(access::tenants).await
    }

    async fn create_token(&self, token: Token) -> Result<(), StoreError> {
        self.write(move |db| access::create_token(db, &token)).await
    }

    async fn token(&self, id: TokenId) -> Result<Option<Token>, StoreError> {
        self.read(move |db| access::token(db, id)).await
    }

    async fn tokens(&self, tenant: TenantId) -> Result<Vec<Token>, StoreError> {
        self.read(move |db| access::tokens(db, tenant)).await
    }

    async fn delete_token(&self, tenant: TenantId, id: TokenId) -> Result<bool, StoreError> {
        self.write(move |db| access::delete_token(db, tenant, id)).await
    }

    async fn create_code(
        &self,
        hash: [u8; 32],
        token: TokenId,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |db| access::create_code(db, &hash, token, expires_at)).await
    }

    async fn take_code(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<TokenId>, StoreError> {
        self.write(move |db| access::take_code(db, &hash, now)).await
    }

    async fn create_session(&self, session: Session) -> Result<(), StoreError> {
        self.write(move |db| access::create_session(db, &session)).await
    }

    async fn session(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<Session>, StoreError> {
        self.read(move |db| access::session(db, &hash, now)).await
    }

    async fn delete_session(&self, hash: [u8; 32]) -> Result<bool, StoreError> {
        self.write(move |db| access::delete_session(db, &hash)).await
    }

    async fn redeem_ticket(&self, id: TicketId, expires_at: Timestamp) -> Result<bool, StoreError> {
        self.write(move |db| access::redeem_ticket(db, id, expires_at)).await
    }

    async fn forget_expired(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.write(move |db| access::forget_expired(db, now, limit)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Through the writer too: a store that only reads is not ready.
        self.write(|_| Ok(())).await?;
        self.read(|db| Ok(db.query_row("SELECT 1", [], |_| Ok(()))?)).await
    }
}

#[cfg(test)]
mod tests;
