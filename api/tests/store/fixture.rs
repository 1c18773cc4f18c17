//! Things to put into a store.

use std::{collections::BTreeMap, sync::Arc};

use api::{
    domain::{
        agent::{Agent, Expect, Patch, Spec},
        host::Host,
        state::TRANSITIONS,
        tenant::{Tenant, Token},
    },
    store::{Committed, Created, Store, Written},
};
use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Barrier, task::JoinSet};
use wire::{
    AgentId, CheckpointId, Digest, HostId, Incarnation, PackId, TenantId, TokenId,
    access::Scope,
    agent::{DesiredStatus, Limits, OnDrain, Status},
    checkpoint::{CheckpointKind, CheckpointRef},
    fleet::HostState,
    host::{Commit, CommitRefusal, Commits, Taken, Then},
    image::{Image, ImageKind},
    message::Recipient,
};

/// A point in time with all its nanoseconds: stores keep them.
pub(crate) fn now() -> Timestamp {
    "2026-11-25T01:02:03.123456789Z".parse().unwrap()
}

pub(crate) fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

pub(crate) async fn tenant(store: &Arc<dyn Store>, max_agents: u32) -> TenantId {
    let tenant =
        Tenant { id: TenantId::new(), name: "Grün & Söhne".to_owned(), max_agents, created_at: now() };
    assert!(store.create_tenant(tenant.clone()).await.unwrap());
    tenant.id
}

/// A row with something in every field it can have when it is new.
pub(crate) fn new_agent(tenant: TenantId) -> Agent {
    let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    Agent {
        id: AgentId::new(),
        tenant,
        spec: Spec {
            name: "my \"shell\" 🐚".to_owned(),
            image: "shell".to_owned(),
            digest: Digest::from_bytes([0xab; 32]),
            config: format!(r#"{{"text":"{}"}}"#, "x".repeat(64 * 1024)),
            env: pairs(&[("PATH", "/bin"), ("EMPTY", "")]),
            limits: Limits { memory_mib: 7, fuel_per_second: 10_000_000_000, disk_mib: 9, wall_seconds: 11 },
            kind: ImageKind::Command,
            suspendable: true,
            idle_timeout_seconds: Some(600),
            send_to: vec![Recipient::Tenant, Recipient::Agent(AgentId::from_u128(7))],
            egress: vec!["GET,POST@https://*.example.com:8443".parse().unwrap()],
            on_drain: OnDrain::Finish,
        },
        metadata: pairs(&[("team", "blue"), ("it's", "a \"test\"")]),
        status: Status::Pending,
        desired: DesiredStatus::Running,
        reason: None,
        detail: None,
        epoch: 0,
        version: 1,
        host: None,
        home: None,
        checkpoint: None,
        previous: None,
        cause: None,
        timeline: 1,
        parent: None,
        wake_at: None,
        ran: false,
        deadline: Some(later(120)),
        expires_at: None,
        created_at: now(),
        updated_at: now(),
        started_at: None,
    }
}

pub(crate) async fn insert(store: &Arc<dyn Store>, agent: Agent) -> Agent {
    match store.create_agent(agent, None).await.unwrap() {
        Created::Created(agent) => agent,
        other => panic!("not created: {other:?}"),
    }
}

pub(crate) async fn spawn(store: &Arc<dyn Store>, tenant: TenantId) -> Agent {
    insert(store, new_agent(tenant)).await
}

pub(crate) fn to(status: Status) -> Patch {
    Patch { status: Some(status), ..Patch::default() }
}

/// Changes a row that must let itself be changed.
pub(crate) async fn change(store: &Arc<dyn Store>, id: AgentId, patch: Patch) -> Agent {
    match store.update_agent(id, Expect::default(), patch, later(1)).await.unwrap() {
        Written::Done(agent) => agent,
        other => panic!("not changed: {other:?}"),
    }
}

/// Takes a pending agent to a status, by the shortest way the table knows.
pub(crate) async fn bring(store: &Arc<dyn Store>, id: AgentId, status: Status) -> Agent {
    let mut ways = vec![vec![Status::Pending]];
    let mut next = 0;
    let way = loop {
        let way = ways[next].clone();
        next += 1;
        let last = *way.last().unwrap();
        if last == status {
            break way;
        }
        for row in TRANSITIONS.iter().filter(|row| row.from == last && !way.contains(&row.to)) {
            ways.push(way.iter().copied().chain([row.to]).collect());
        }
    };
    for status in way.into_iter().skip(1) {
        change(store, id, to(status)).await;
    }
    store.agent(id).await.unwrap().unwrap()
}

pub(crate) fn new_host() -> Host {
    Host {
        id: HostId::new(),
        incarnation: Incarnation::new(),
        state: HostState::Active,
        address: "10.0.0.7:7301".to_owned(),
        public_url: Some("wss://h7.example.net".to_owned()),
        capacity: 5000,
        agents: 3,
        memory_bytes: 1 << 40,
        seq: 0,
        version: "1.2.3".to_owned(),
        images: vec![Image {
            digest: Digest::from_bytes([1; 32]),
            name: "shell".to_owned(),
            description: "A shell".to_owned(),
            size_bytes: 1 << 33,
            imports: vec!["wasi:filesystem/types@0.2.6".to_owned()],
            kind: ImageKind::Agent,
            suspendable: true,
            not_suspendable: None,
            upgradable: false,
            compile_ms: Some(12),
        }],
        registered_at: now(),
        renewed_at: now(),
    }
}

pub(crate) async fn token(store: &Arc<dyn Store>, tenant: TenantId) -> Token {
    let token = Token {
        id: TokenId::new(),
        tenant,
        name: "ci".to_owned(),
        hash: [5; 32],
        scopes: vec![Scope::AgentsRead, Scope::Terminal],
        created_at: now(),
        expires_at: Some(later(3600)),
    };
    store.create_token(token.clone()).await.unwrap();
    token
}

/// Does something `n` times at once, as far as a scheduler allows; the answers in no order.
pub(crate) async fn at_once<T, F>(n: usize, make: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(n));
    let mut tasks = JoinSet::new();
    for index in 0..n {
        let (barrier, work) = (Arc::clone(&barrier), make(index));
        tasks.spawn(async move {
            barrier.wait().await;
            work.await
        });
    }
    tasks.join_all().await
}

/// A host that holds its lease.
pub(crate) async fn host(store: &Arc<dyn Store>) -> Host {
    let host = new_host();
    store.register_host(host.clone()).await.unwrap();
    host
}

/// Gives an agent that waits to a host.
pub(crate) async fn assign(store: &Arc<dyn Store>, id: AgentId, host: &Host) -> Agent {
    let agent = store.agent(id).await.unwrap().unwrap();
    match store.assign(id, agent.epoch, host.id, later(30), later(1)).await.unwrap() {
        Written::Done(agent) => agent,
        other => panic!("not assigned: {other:?}"),
    }
}

/// An agent that waits comes to run on a host.
pub(crate) async fn start(store: &Arc<dyn Store>, id: AgentId, host: &Host) -> Agent {
    assign(store, id, host).await;
    change(store, id, to(Status::Running)).await
}

/// A new agent that runs on a host.
pub(crate) async fn running(store: &Arc<dyn Store>, tenant: TenantId, host: &Host) -> Agent {
    let id = spawn(store, tenant).await.id;
    start(store, id, host).await
}

/// What a host takes of an agent as the row is, into a pack of its own.
pub(crate) fn taken(agent: &Agent) -> Taken {
    let pack = PackId::new();
    Taken {
        checkpoint: CheckpointRef {
            id: next_checkpoint(agent.checkpoint.as_ref().map(|at| at.id)),
            pack,
            offset: 1 << 40,
            length: 77,
            sha256: Digest::from_bytes([3; 32]),
        },
        parent: agent.checkpoint.as_ref().map(|at| at.id),
        kind: CheckpointKind::Automatic,
        note: None,
        image: agent.spec.digest.clone(),
        size_bytes: 1 << 33,
        unique_bytes: 4096,
        packs: vec![pack],
        inbox: 0,
    }
}

/// Ids of one host are in the order it took them in, also within a millisecond.
fn next_checkpoint(last: Option<CheckpointId>) -> CheckpointId {
    let new = CheckpointId::new();
    last.map_or(new, |last| new.max(CheckpointId::from_u128(last.as_u128() + 1)))
}

pub(crate) fn commit_of(agent: &Agent, taken: Option<Taken>, then: Then) -> Commit {
    Commit { agent: agent.id, epoch: agent.epoch, taken, then, wake_at: None, undone: false }
}

/// All that a host has to say, with the manifests' packs as newly written.
pub(crate) fn commits(host: &Host, commits: Vec<Commit>) -> Commits {
    let taken = commits.iter().filter_map(|commit| commit.taken.as_ref());
    let packs = taken.map(|taken| (taken.checkpoint.pack, 1 << 20)).collect();
    Commits { incarnation: host.incarnation, packs, commits }
}

/// Commits for one agent; why not, when it was refused.
pub(crate) async fn try_commit(
    store: &Arc<dyn Store>,
    host: &Host,
    commit: Commit,
) -> Result<(), CommitRefusal> {
    match store.commit(host.id, commits(host, vec![commit]), later(2)).await.unwrap() {
        Committed::Done { mut refused, .. } => refused.pop().map_or(Ok(()), |refused| Err(refused.why)),
        Committed::Fenced => panic!("fenced"),
    }
}

/// Commits what must be recorded: the row as it is then.
pub(crate) async fn commit(
    store: &Arc<dyn Store>,
    host: &Host,
    agent: &Agent,
    taken: Option<Taken>,
    then: Then,
) -> Agent {
    assert_eq!(try_commit(store, host, commit_of(agent, taken, then)).await, Ok(()));
    store.agent(agent.id).await.unwrap().unwrap()
}

/// An agent that runs goes on after a new automatic checkpoint.
pub(crate) async fn save(store: &Arc<dyn Store>, host: &Host, id: AgentId) -> Agent {
    let agent = store.agent(id).await.unwrap().unwrap();
    let taken = taken(&agent);
    commit(store, host, &agent, Some(taken), Then::Run {}).await
}

/// An agent's checkpoints, newest first.
pub(crate) async fn kept(store: &Arc<dyn Store>, id: AgentId) -> Vec<CheckpointId> {
    let rows = store.checkpoints(id, None, 100).await.unwrap();
    rows.into_iter().map(|row| row.at.id).collect()
}

pub(crate) fn id_of(at: Option<&CheckpointRef>) -> Option<CheckpointId> {
    at.map(|at| at.id)
}
