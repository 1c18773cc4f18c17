//! A host as the API sees one: it speaks wire and does what its script says.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        Path, Query, State,
        ws::{Message, WebSocketUpgrade},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};
use wire::{
    AgentId, CheckpointId, Digest, HostId, Incarnation, PackId,
    checkpoint::{CheckpointKind, CheckpointRef},
    host::{
        Command, Commit, Commits, Committed, Heartbeat, Lease, Refusal, RefusalCode, Register, Registered,
        Reply, Report, ReportEvent, Start, Taken, Then,
    },
    image::Image,
};

use crate::harness::Cloud;

pub(crate) struct FakeHost {
    pub(crate) id: HostId,
    pub(crate) incarnation: Incarnation,
    pub(crate) capacity: u32,
    pub(crate) images: Vec<Image>,
    address: String,
    credential: String,
    scripted: Arc<Scripted>,
    serving: tokio::task::JoinHandle<()>,
}

/// What it does and what it saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Answers to the next starts; `Started` after them.
    pub(crate) starts: VecDeque<Reply>,
    /// Answers to the next commands of other kinds than starts and stops; after them it does as it is told.
    pub(crate) answers: VecDeque<Reply>,
    /// Commands that came.
    pub(crate) commands: Vec<Command>,
    /// Headers of socket requests.
    pub(crate) sockets: Vec<HeaderMap>,
    /// Files of all agents.
    pub(crate) files: BTreeMap<String, Bytes>,
    /// Queries of log requests.
    pub(crate) logs: Vec<BTreeMap<String, String>>,
}

struct Scripted {
    id: HostId,
    /// Of its last registration.
    incarnation: Mutex<Incarnation>,
    /// The API's internal routes.
    url: Mutex<String>,
    client: reqwest::Client,
    credential: String,
    seen: Mutex<Seen>,
    /// While true, starts are not answered.
    hold: watch::Sender<bool>,
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) fn image() -> Image {
    Image {
        digest: Digest::from_bytes([7; 32]),
        name: "shell".to_owned(),
        description: "A shell".to_owned(),
        size_bytes: 1,
        imports: Vec::new(),
        kind: wire::image::ImageKind::Agent,
        suspendable: false,
        not_suspendable: None,
        upgradable: false,
        compile_ms: None,
    }
}

/// One that can be checkpointed.
pub(crate) fn cell() -> Image {
    Image { digest: Digest::from_bytes([8; 32]), name: "cell".to_owned(), suspendable: true, ..image() }
}

/// A checkpoint as a host commits one; what it refers to is in no object store.
/// As a host's are: in the order they were taken in, also within a millisecond.
fn next_id() -> CheckpointId {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let millis = u128::try_from(jiff::Timestamp::now().as_millisecond()).unwrap();
    CheckpointId::from_u128(millis << 80 | u128::from(COUNT.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) fn taken(kind: CheckpointKind, note: Option<String>, image: Digest) -> (Taken, (PackId, u64)) {
    let pack = PackId::new();
    let checkpoint =
        CheckpointRef { id: next_id(), pack, offset: 16, length: 100, sha256: Digest::from_bytes([9; 32]) };
    let taken = Taken {
        checkpoint,
        parent: None,
        kind,
        note,
        image,
        size_bytes: 1000,
        unique_bytes: 100,
        packs: vec![pack],
        inbox: 0,
    };
    (taken, (pack, 1000))
}

pub(crate) fn refused(code: RefusalCode) -> Reply {
    Reply::Refused { refusal: Refusal { code, detail: format!("scripted {code:?}") } }
}

impl FakeHost {
    pub(crate) async fn start(cloud: &Cloud) -> Self {
        let id = HostId::new();
        let credential = cloud.api.host_credential(id);
        let (hold, _) = watch::channel(false);
        let incarnation = Incarnation::new();
        let scripted = Arc::new(Scripted {
            id,
            incarnation: Mutex::new(incarnation),
            url: Mutex::new(format!("{}/internal/v1", cloud.url)),
            client: cloud.client.clone(),
            credential: credential.clone(),
            seen: Mutex::default(),
            hold,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new()
            .route("/wire/v1/command", post(command))
            .route("/wire/v1/agents/{id}/socket", get(socket))
            .route("/wire/v1/agents/{id}/files", get(list))
            .route("/wire/v1/agents/{id}/files/{*path}", get(read).put(write).delete(remove))
            .route("/wire/v1/agents/{id}/logs", get(logs))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(scripted.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let images = vec![image(), cell()];
        Self { id, incarnation, capacity: 100, images, address, credential, scripted, serving }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.scripted.seen.lock().unwrap()
    }

    /// Answers no start until released.
    pub(crate) fn hold(&self, held: bool) {
        self.scripted.hold.send_replace(held);
    }

    pub(crate) async fn register(&self, cloud: &Cloud) -> Registered {
        self.register_with(cloud, Vec::new()).await
    }

    pub(crate) async fn register_with(&self, cloud: &Cloud, agents: Vec<(AgentId, u64)>) -> Registered {
        self.register_parked(cloud, agents, Vec::new()).await
    }

    pub(crate) async fn register_parked(
        &self,
        cloud: &Cloud,
        agents: Vec<(AgentId, u64)>,
        parked: Vec<(AgentId, u64)>,
    ) -> Registered {
        *self.scripted.incarnation.lock().unwrap() = self.incarnation;
        *self.scripted.url.lock().unwrap() = format!("{}/internal/v1", cloud.url);
        let register = Register {
            id: self.id,
            incarnation: self.incarnation,
            address: self.address.clone(),
            public_url: Some(format!("ws://{}", self.address)),
            capacity_agents: self.capacity,
            version: "0.0.0".to_owned(),
            images: self.images.clone(),
            agents,
            parked,
        };
        let answer = self.call(cloud, "hosts", &register).await;
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    pub(crate) async fn beat(&self, cloud: &Cloud, seq: u64) -> Lease {
        let beat = Heartbeat {
            incarnation: self.incarnation,
            seq,
            agents: 0,
            memory_bytes: 1 << 20,
            draining: false,
        };
        let answer = self.call(cloud, &format!("hosts/{}/heartbeat", self.id), &beat).await;
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    pub(crate) async fn report(&self, cloud: &Cloud, report: Report) {
        let answer = self.call(cloud, &format!("hosts/{}/reports", self.id), &vec![report]).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }

    /// Says what happened to an agent of this placement.
    pub(crate) async fn tell(&self, cloud: &Cloud, agent: AgentId, epoch: u64, event: ReportEvent) {
        self.report(cloud, Report { agent, epoch, event }).await;
    }

    /// Commits a new checkpoint of an agent; its id.
    pub(crate) async fn commit(&self, agent: AgentId, epoch: u64, then: Then) -> CheckpointId {
        let (taken, pack) = taken(CheckpointKind::Automatic, None, cell().digest);
        let id = taken.checkpoint.id;
        let commit = Commit { agent, epoch, taken: Some(taken), then, wake_at: None, undone: false };
        let committed = self.commit_as(commit, vec![pack]).await;
        assert_eq!(committed.refused, []);
        id
    }

    pub(crate) async fn commit_as(&self, commit: Commit, packs: Vec<(PackId, u64)>) -> Committed {
        self.scripted.commit(commit, packs).await
    }

    /// Starts that came for an agent.
    pub(crate) fn starts_of(&self, agent: AgentId) -> Vec<Start> {
        let seen = self.seen();
        let starts = seen.commands.iter().filter_map(|command| match command {
            Command::Start(start) if start.agent == agent => Some((**start).clone()),
            _ => None,
        });
        starts.collect()
    }

    /// Waits until a command came.
    pub(crate) async fn told(&self, what: &str, is: impl Fn(&Command) -> bool) {
        let told = async {
            while !self.seen().commands.iter().any(&is) {
                tokio::task::yield_now().await;
            }
        };
        let told = tokio::time::timeout(crate::harness::LONG, told).await;
        assert!(told.is_ok(), "{what}: {:?}", self.seen().commands);
    }

    /// A request that is not a `POST`.
    pub(crate) async fn get(&self, cloud: &Cloud, path: &str) -> reqwest::Response {
        let request = cloud.plain(reqwest::Method::GET, &format!("/internal/v1/{path}"));
        request.bearer_auth(&self.credential).send().await.unwrap()
    }

    pub(crate) async fn call(
        &self,
        cloud: &Cloud,
        path: &str,
        body: &impl serde::Serialize,
    ) -> reqwest::Response {
        let request = cloud.plain(reqwest::Method::POST, &format!("/internal/v1/{path}"));
        request.bearer_auth(&self.credential).json(body).send().await.unwrap()
    }
}

impl Scripted {
    async fn commit(&self, commit: Commit, packs: Vec<(PackId, u64)>) -> Committed {
        let incarnation = *self.incarnation.lock().unwrap();
        let commits = Commits { incarnation, packs, commits: vec![commit] };
        let url = format!("{}/hosts/{}/commits", self.url.lock().unwrap(), self.id);
        let request = self.client.post(url);
        let answer = request.bearer_auth(&self.credential).json(&commits).send().await.unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    /// Does what a real host would do.
    async fn obey(&self, command: Command) -> Reply {
        let commit = |agent, epoch, then, kind, note| {
            let (taken, pack) = taken(kind, note, cell().digest);
            let id = taken.checkpoint.id;
            (id, Commit { agent, epoch, taken: Some(taken), then, wake_at: None, undone: false }, vec![pack])
        };
        match command {
            Command::Stop { .. } => Reply::Stopped {},
            Command::Suspend { agent, epoch, reason, .. } => {
                let then = Then::Suspend { reason, parked: false };
                let (_, commit, packs) = commit(agent, epoch, then, CheckpointKind::Automatic, None);
                assert_eq!(self.commit(commit, packs).await.refused, []);
                Reply::Suspended { rolled_back: false }
            }
            Command::Checkpoint { agent, epoch, kind, note, .. } => {
                let (id, commit, packs) = commit(agent, epoch, Then::Run {}, kind, note);
                assert_eq!(self.commit(commit, packs).await.refused, []);
                Reply::Checkpointed { id }
            }
            Command::Upgrade { .. } => Reply::Upgraded {},
            _ => Reply::Done {},
        }
    }

    fn check(&self, headers: &HeaderMap) {
        assert_eq!(headers[header::AUTHORIZATION], format!("Bearer {}", self.credential));
        assert!(headers.contains_key("x-request-id"));
    }
}

async fn command(
    State(host): State<Arc<Scripted>>,
    headers: HeaderMap,
    Json(command): Json<Command>,
) -> Json<Reply> {
    assert_eq!(headers[header::AUTHORIZATION], format!("Bearer {}", host.credential));
    let mut hold = host.hold.subscribe();
    let reply = match &command {
        Command::Start(_) => {
            host.seen.lock().unwrap().commands.push(command);
            let _ = hold.wait_for(|held| !held).await;
            host.seen
                .lock()
                .unwrap()
                .starts
                .pop_front()
                .unwrap_or(Reply::Started { checkpoint: None, problem: None })
        }
        Command::Stop { .. } => {
            host.seen.lock().unwrap().commands.push(command);
            Reply::Stopped {}
        }
        other => {
            let scripted = {
                let mut seen = host.seen.lock().unwrap();
                seen.commands.push(other.clone());
                match other {
                    Command::Nudge { .. } | Command::Unpark { .. } => None,
                    _ => seen.answers.pop_front(),
                }
            };
            match (scripted, command) {
                // Its last checkpoint counts.
                (
                    Some(reply @ Reply::Suspended { rolled_back: true }),
                    Command::Suspend { agent, epoch, reason, .. },
                ) => {
                    let then = Then::Suspend { reason, parked: false };
                    let commit = Commit { agent, epoch, taken: None, then, wake_at: None, undone: true };
                    assert_eq!(host.commit(commit, Vec::new()).await.refused, []);
                    reply
                }
                (Some(reply), _) => reply,
                (None, command) => host.obey(command).await,
            }
        }
    };
    Json(reply)
}

/// Says hello, then echoes.
async fn socket(
    State(host): State<Arc<Scripted>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    host.check(&headers);
    host.seen.lock().unwrap().sockets.push(headers);
    upgrade.protocols([wire::terminal::PROTOCOL]).on_upgrade(async move |mut socket| {
        let _ = socket.send(Message::Text("hello".into())).await;
        while let Some(Ok(message)) = socket.recv().await {
            match message {
                Message::Text(text) if text.as_str() == "vanish" => return,
                Message::Close(_) => return,
                other => {
                    let _ = socket.send(other).await;
                }
            }
        }
    })
}

async fn list(Query(query): Query<BTreeMap<String, String>>) -> Json<Value> {
    let entry = json!({
        "path": format!("{}a.txt", query["prefix"]),
        "kind": "file",
        "size_bytes": 2,
        "modified_at": "2026-01-01T00:00:00Z",
    });
    Json(json!({ "data": [entry], "next_cursor": query.get("cursor") }))
}

async fn read(
    State(host): State<Arc<Scripted>>,
    Path((_, path)): Path<(AgentId, String)>,
    headers: HeaderMap,
) -> Response {
    host.check(&headers);
    let Some(bytes) = host.seen.lock().unwrap().files.get(&path).cloned() else {
        let problem = json!({
            "type": "about:blank", "title": "Not Found", "status": 404, "code": "not_found",
            "detail": "no such file", "retryable": false, "request_id": "",
        });
        return (StatusCode::NOT_FOUND, Json(problem)).into_response();
    };
    match headers.get(header::RANGE) {
        Some(range) => {
            assert_eq!(range, "bytes=0-1");
            let range = format!("bytes 0-1/{}", bytes.len());
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, range)], bytes.slice(..2)).into_response()
        }
        None => bytes.into_response(),
    }
}

async fn write(
    State(host): State<Arc<Scripted>>,
    Path((_, path)): Path<(AgentId, String)>,
    bytes: Bytes,
) -> Json<Value> {
    let size = bytes.len();
    host.seen.lock().unwrap().files.insert(path.clone(), bytes);
    Json(json!({ "path": path, "kind": "file", "size_bytes": size, "modified_at": "2026-01-01T00:00:00Z" }))
}

async fn remove(State(host): State<Arc<Scripted>>, Path((_, path)): Path<(AgentId, String)>) -> StatusCode {
    host.seen.lock().unwrap().files.remove(&path);
    StatusCode::NO_CONTENT
}

async fn logs(State(host): State<Arc<Scripted>>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let after: u64 = query.get("after").map_or(0, |after| after.parse().unwrap());
    let follow = query.get("follow").is_some_and(|follow| follow == "true");
    host.seen.lock().unwrap().logs.push(query);
    let line = |seq: u64| {
        format!(
            "{}\n",
            json!({ "seq": seq, "time": "2026-01-01T00:00:00Z", "level": "info", "source": "agent", "message": "hi" })
        )
    };
    let lines: String = (after + 1..=3).map(line).collect();
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    if follow && after < 3 {
        // A followed log has no end.
        let lines = tokio_stream::once(Ok::<_, std::io::Error>(lines));
        let endless = tokio_stream::StreamExt::chain(lines, tokio_stream::pending());
        return (kind, axum::body::Body::from_stream(endless)).into_response();
    }
    (kind, lines).into_response()
}
