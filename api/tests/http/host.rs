//! A host as the API sees one: it speaks wire and does what its script says.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
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
    AgentId, Digest, HostId, Incarnation,
    host::{Command, Heartbeat, Lease, Refusal, RefusalCode, Register, Registered, Reply, Report},
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

pub(crate) fn refused(code: RefusalCode) -> Reply {
    Reply::Refused { refusal: Refusal { code, detail: format!("scripted {code:?}") } }
}

impl FakeHost {
    pub(crate) async fn start(cloud: &Cloud) -> Self {
        let id = HostId::new();
        let credential = cloud.api.host_credential(id);
        let (hold, _) = watch::channel(false);
        let scripted = Arc::new(Scripted { credential: credential.clone(), seen: Mutex::default(), hold });
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
        let images = vec![image()];
        let incarnation = Incarnation::new();
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
        let register = Register {
            id: self.id,
            incarnation: self.incarnation,
            address: self.address.clone(),
            public_url: Some(format!("ws://{}", self.address)),
            capacity_agents: self.capacity,
            version: "0.0.0".to_owned(),
            images: self.images.clone(),
            agents,
            parked: Vec::new(),
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
        other => {
            let reply =
                if matches!(other, Command::Stop { .. }) { Reply::Stopped {} } else { Reply::Done {} };
            host.seen.lock().unwrap().commands.push(command);
            reply
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
