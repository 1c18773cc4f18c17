//! Bad input over HTTP: each gets the documented problem, and all of it together changes nothing.

use std::fmt::Write as _;

use api::{
    auth::token::ApiToken,
    domain::tenant::{Tenant, Token},
    store::{Store as _, sqlite::SqliteStore},
};
use cloud_tests::{Client, Cloud, Terminal, client::PATIENCE};
use jiff::{Timestamp, ToSpan as _};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wire::{
    TenantId,
    access::{Role, Scope},
    agent::Agent,
    file::MAX_FILE_BYTES,
    problem::{Code, Problem},
    terminal::close,
};

/// The problem of an answer, which has to be one in every respect.
#[track_caller]
fn parse(status: StatusCode, kind: &str, id: &str, body: &str) -> Problem {
    assert_eq!(kind, "application/problem+json", "{status} {body}");
    let problem: Problem = serde_json::from_str(body).unwrap();
    assert_eq!((problem.status, problem.request_id.as_str()), (status.as_u16(), id), "{body}");
    assert_eq!(api::error::status(problem.code), status, "{body}");
    assert!(problem.kind.ends_with(&api::error::name(problem.code)) && !problem.title.is_empty(), "{body}");
    assert_ne!(problem.code, Code::Internal, "{body}");
    problem
}

async fn problem(answer: Response) -> Problem {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    parse(status, &text("content-type"), &text("x-request-id"), &answer.text().await.unwrap())
}

/// Sends, and expects this code; the fields that were pointed at.
async fn refused(what: &str, request: RequestBuilder, code: Code) -> Vec<String> {
    let problem = problem(request.send().await.unwrap()).await;
    assert_eq!(problem.code, code, "{what}: {problem:?}");
    problem.errors.into_iter().map(|error| error.pointer).collect()
}

/// A request that no client library would send: a path that nobody tidied up, a body that is only promised.
async fn raw(cloud: &Client, head: &str, headers: &str) -> Problem {
    let address = cloud.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let token = &cloud.token;
    let text =
        format!("{head} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Some are answered before the body that was promised: then the server says goodbye on its own.
    let read = async {
        let mut buffer = [0; 4096];
        while !answer.ends_with(b"}") {
            match stream.read(&mut buffer).await.unwrap() {
                0 => break,
                count => answer.extend_from_slice(&buffer[..count]),
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("no answer to {head}"));
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)))
            .map_or("", |(_, value)| value)
    };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    parse(StatusCode::from_u16(status).unwrap(), header("content-type"), header("x-request-id"), body)
}

/// All that a tenant can see, but for what time changes by itself.
async fn everything(cloud: &Client, agent: &Agent) -> String {
    let mut all = String::new();
    for path in ["/v1/agents", "/v1/tokens", "/v1/images", &format!("/v1/agents/{}/files", agent.id)] {
        let (status, body) = cloud.get(path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        writeln!(all, "{path} {body}").unwrap();
    }
    all
}

/// A cloud with one agent that has a file.
async fn cloud() -> (Cloud, Agent, String) {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "hello", "limits": { "disk_mib": 1 } })).await;
    let path = format!("/v1/agents/{}/files/kept", agent.id);
    let put = cloud.request(Method::PUT, &path).body("0123456789").send().await.unwrap();
    assert_eq!(put.status(), StatusCode::OK);
    let before = everything(&cloud, &agent).await;
    (cloud, agent, before)
}

fn spawn(cloud: &Client) -> RequestBuilder {
    cloud.request(Method::POST, "/v1/agents/spawn")
}

#[tokio::test]
async fn a_spawn_that_asks_for_the_impossible_is_told_every_field() {
    let (cloud, agent, before) = cloud().await;
    let long = "n".repeat(10_000);
    let many = |count: usize| -> Value {
        (0..count).map(|n| (n.to_string(), json!("v"))).collect::<serde_json::Map<_, _>>().into()
    };
    let with = |field: &str, value: Value| json!({ "image": "hello", field: value });
    let limit = |field: &str, value: Value| json!({ "image": "hello", "limits": { field: value } });
    let table = [
        (json!({}), "/image"),
        (json!({ "image": "" }), "/image"),
        (json!({ "image": "none" }), "/image"),
        (json!({ "image": "../../etc/passwd" }), "/image"),
        (json!({ "image": format!("sha256:{}", "0".repeat(64)) }), "/image"),
        (json!({ "image": long }), "/image"),
        (json!({ "image": 1 }), "/image"),
        (json!({ "image": null }), "/image"),
        (with("colour", json!("red")), "/colour"),
        (with("id", json!("agt_01ARZ3NDEKTSV4RRFFQ69G5FAV")), "/id"),
        (with("status", json!("running")), "/status"),
        (with("name", json!(long)), "/name"),
        (with("name", json!("")), "/name"),
        (with("name", json!("a\u{1b}[2J")), "/name"),
        (with("name", json!("a\u{0}b")), "/name"),
        (with("name", json!(["a"])), "/name"),
        (with("config", json!("c".repeat(64 * 1024))), "/config"),
        (with("env", json!([])), "/env"),
        (with("env", json!({ "A": 1 })), "/env/A"),
        (with("env", json!({ "A=B": "" })), "/env/A=B"),
        (with("env", json!({ "": "x" })), "/env/"),
        (with("env", json!({ "A": "x".repeat(4097) })), "/env/A"),
        (with("env", json!({ "A": "a\u{0}" })), "/env/A"),
        (with("env", many(65)), "/env"),
        (with("metadata", many(17)), "/metadata"),
        (with("metadata", json!({ "k": "v".repeat(257) })), "/metadata/k"),
        (with("metadata", json!({ "k": true })), "/metadata/k"),
        (with("limits", json!(1)), "/limits"),
        (limit("cpus", json!(1)), "/limits/cpus"),
        (limit("memory_mib", json!(0)), "/limits/memory_mib"),
        (limit("memory_mib", json!(1025)), "/limits/memory_mib"),
        (limit("memory_mib", json!(-1)), "/limits/memory_mib"),
        (limit("memory_mib", json!(1.5)), "/limits/memory_mib"),
        (limit("memory_mib", json!(4_294_967_296_u64)), "/limits/memory_mib"),
        (limit("memory_mib", json!("64")), "/limits/memory_mib"),
        (limit("fuel_per_second", json!(999_999)), "/limits/fuel_per_second"),
        (limit("fuel_per_second", json!(10_000_000_001_u64)), "/limits/fuel_per_second"),
        (limit("disk_mib", json!(0)), "/limits/disk_mib"),
        (limit("disk_mib", json!(10_241)), "/limits/disk_mib"),
        (limit("wall_seconds", json!(86_401)), "/limits/wall_seconds"),
        (with("max_lifetime_seconds", json!(0)), "/max_lifetime_seconds"),
        (with("max_lifetime_seconds", json!(31_536_001)), "/max_lifetime_seconds"),
    ];
    for (body, pointer) in table {
        let text = body.to_string();
        let what = text.get(..100).unwrap_or(&text);
        let pointers = refused(what, spawn(&cloud).json(&body), Code::Validation).await;
        assert_eq!(pointers, [pointer], "{what}");
    }
    assert_eq!(everything(&cloud, &agent).await, before);
}

#[tokio::test]
async fn the_edges_of_what_is_allowed_are_allowed() {
    let cloud = Cloud::start().await;
    let pairs = |count: usize, length: usize| -> Value {
        (0..count)
            .map(|n| (n.to_string(), json!("v".repeat(length))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    for limits in [
        json!({ "memory_mib": 1024, "fuel_per_second": 10_000_000_000_u64, "disk_mib": 10_240, "wall_seconds": 86_400 }),
        json!({ "memory_mib": 8, "fuel_per_second": 1_000_000, "disk_mib": 1, "wall_seconds": 0 }),
    ] {
        let body = json!({
            "image": "hello", "name": "ä".repeat(64), "limits": limits, "metadata": pairs(16, 256),
            "env": pairs(16, 4096), "max_lifetime_seconds": 31_536_000, "config": "c".repeat(64 * 1024 - 2),
        });
        let agent = cloud.spawn(body).await;
        assert_eq!((agent.name.len(), agent.metadata.len()), (128, 16));
        assert_eq!(serde_json::to_value(agent.limits).unwrap(), limits);
    }
}

#[tokio::test]
async fn bodies_that_are_none_are_refused() {
    let (cloud, agent, before) = cloud().await;
    let ticket = format!("/v1/agents/{}/tickets", agent.id);
    for path in ["/v1/agents/spawn", "/agents/spawn", "/v1/tokens", "/v1/session", &ticket] {
        let send = |kind: &str, body: &[u8]| {
            cloud.request(Method::POST, path).header("content-type", kind).body(body.to_vec())
        };
        for body in [&b"{"[..], b"nope", b"\xff\xfe"] {
            refused(path, send("application/json", body), Code::BadRequest).await;
        }
        refused(path, send("text/plain", b"{}"), Code::UnsupportedMediaType).await;
        refused(path, send("application/x-www-form-urlencoded", b"image=hello"), Code::UnsupportedMediaType)
            .await;
        for body in [&b"[]"[..], b"\"hello\"", b"1", b"{\"no such field\":1}"] {
            refused(path, send("application/json", body), Code::Validation).await;
        }
        // Refused at the first bracket or at the end that never comes, but never followed down.
        let deep = send("application/json", &b"[".repeat(10_000)).send().await.unwrap();
        assert!(matches!(problem(deep).await.code, Code::BadRequest | Code::Validation), "{path}");
        let json = "content-type: application/json\r\n";
        let long = raw(&cloud, &format!("POST {path}"), &format!("{json}content-length: 262145\r\n")).await;
        assert_eq!(long.code, Code::TooLarge, "{path}");
        let large = vec![b' '; 256 * 1024 + 1];
        let chunked = raw_chunked(&cloud, path, &large).await;
        assert_eq!(chunked, 413, "{path}");
    }
    for body in [&b""[..], b"{}{}", b"{\"image\":\"\xff\"}"] {
        let request = spawn(&cloud).header("content-type", "application/json").body(body);
        refused(&format!("{body:?}"), request, Code::BadRequest).await;
    }
    assert_eq!(everything(&cloud, &agent).await, before);
}

/// Sends a body without saying how long it is; the status.
async fn raw_chunked(cloud: &Client, path: &str, body: &[u8]) -> u16 {
    let stream = futures_util::stream::iter(body.chunks(8192).map(<[u8]>::to_vec).collect::<Vec<_>>());
    let body = reqwest::Body::wrap_stream(futures_util::StreamExt::map(stream, Ok::<_, std::io::Error>));
    let request = cloud.request(Method::POST, path).header("content-type", "application/json").body(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    problem(answer).await;
    status
}

#[tokio::test]
async fn queries_headers_and_paths_are_checked_like_bodies() {
    let (cloud, agent, before) = cloud().await;
    let id = agent.id;
    let table = [
        ("/v1/agents?limit=0".to_owned(), Code::Validation),
        ("/v1/agents?limit=101".to_owned(), Code::Validation),
        ("/v1/agents?limit=-1".to_owned(), Code::Validation),
        ("/v1/agents?limit=ten".to_owned(), Code::Validation),
        ("/v1/agents?cursor=garbage".to_owned(), Code::Validation),
        ("/v1/agents?cursor=".to_owned(), Code::Validation),
        ("/v1/agents?status=sleeping".to_owned(), Code::Validation),
        ("/v1/agents?colour=red".to_owned(), Code::Validation),
        (format!("/v1/agents?name={}", "n".repeat(10_000)), Code::Validation),
        (format!("/v1/agents?metadata.k={}", "n".repeat(257)), Code::Validation),
        (format!("/v1/agents/{id}?wait_for=sleeping"), Code::Validation),
        (format!("/v1/agents/{id}?timeout_seconds=61"), Code::Validation),
        (format!("/v1/agents/{id}?timeout_seconds=0"), Code::Validation),
        (format!("/v1/agents/{id}?colour=red"), Code::Validation),
        (format!("/v1/agents/{id}/files?prefix=../"), Code::Validation),
        (format!("/v1/agents/{id}/files?cursor=/etc/"), Code::Validation),
        (format!("/v1/agents/{id}/logs?level=loud"), Code::Validation),
        (format!("/v1/agents/{id}/logs?after=-1"), Code::Validation),
        (format!("/v1/agents/{id}/socket"), Code::BadRequest),
        (format!("/v1/agents/{id}/files/none"), Code::NotFound),
        (format!("/v1/agents/{id}/nothing"), Code::NotFound),
        ("/v1/agents/agt_1".to_owned(), Code::NotFound),
        ("/v1/agents/%00".to_owned(), Code::NotFound),
        ("/v1/agents/%ff".to_owned(), Code::BadRequest),
        (format!("/v1/agents/{id}/files/%ff"), Code::BadRequest),
        (format!("/v1/agents/{}", "a".repeat(10_000)), Code::NotFound),
        ("/v1/images/none".to_owned(), Code::NotFound),
    ];
    for (path, code) in table {
        refused(path.get(..100).unwrap_or(&path), cloud.request(Method::GET, &path), code).await;
    }
    for key in ["", "two words", &"k".repeat(256), "t\tb"] {
        let request = spawn(&cloud).header("idempotency-key", key).json(&json!({ "image": "hello" }));
        refused(key, request, Code::BadRequest).await;
    }
    for (method, path) in [
        (Method::PATCH, "/v1/agents".to_owned()),
        (Method::PUT, format!("/v1/agents/{id}")),
        (Method::DELETE, "/v1/agents".to_owned()),
        (Method::GET, "/v1/agents/spawn".to_owned()),
        (Method::TRACE, "/v1/agents".to_owned()),
    ] {
        refused(&path, cloud.request(method, &path), Code::MethodNotAllowed).await;
    }
    assert_eq!(everything(&cloud, &agent).await, before);
}

#[tokio::test]
async fn an_idempotency_key_is_for_one_body() {
    let cloud = Cloud::start().await;
    let send = async |name: &str| {
        let body = json!({ "image": "hello", "name": name });
        spawn(&cloud).header("idempotency-key", "once").json(&body).send().await.unwrap()
    };
    let first: Agent = send("a").await.json().await.unwrap();
    let again = send("a").await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.json::<Agent>().await.unwrap().id, first.id);
    assert_eq!(problem(send("b").await).await.code, Code::IdempotencyKeyReused);
    let (_, list) = cloud.get("/v1/agents").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn files_stay_in_their_workspace_and_within_its_bounds() {
    let (cloud, agent, before) = cloud().await;
    let base = format!("/v1/agents/{}/files", agent.id);
    for path in [
        "../kept",
        "a/../../kept",
        "%2e%2e/kept",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "a%00b",
        "a%5cb",
        "a//b",
        "./kept",
        &"a/".repeat(3000),
        &"a".repeat(256),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = raw(&cloud, &format!("{method} {base}/{path}"), "content-length: 0\r\n").await;
            assert_eq!(answer.code, Code::Validation, "{method} {path}: {answer:?}");
        }
    }
    let put = |path: &str, body: Vec<u8>| cloud.request(Method::PUT, &format!("{base}/{path}")).body(body);
    refused("over the quota", put("big", vec![0; 2 << 20]), Code::WorkspaceFull).await;
    refused("over it, over a file", put("kept", vec![0; 2 << 20]), Code::WorkspaceFull).await;
    let promised = format!("content-length: {}\r\n", MAX_FILE_BYTES + 1);
    let large = raw(&cloud, &format!("PUT {base}/big"), &promised).await;
    assert_eq!((large.code, large.status), (Code::TooLarge, 413));
    refused("below a file", put("kept/below", vec![1]), Code::InvalidState).await;
    assert_eq!(everything(&cloud, &agent).await, before);

    let read = async |range: &str| {
        let request = cloud.request(Method::GET, &format!("{base}/kept")).header("range", range);
        request.send().await.unwrap()
    };
    for (range, part, shown) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=5-999", "56789", "bytes 5-9/10"),
    ] {
        let answer = read(range).await;
        assert_eq!(
            (answer.status(), &answer.headers()["content-range"]),
            (StatusCode::PARTIAL_CONTENT, &shown.parse().unwrap()),
            "{range}"
        );
        assert_eq!(answer.text().await.unwrap(), part, "{range}");
    }
    assert_eq!(problem(read("bytes=10-").await).await.code, Code::RangeNotSatisfiable);
    for ignored in ["bytes=3-1", "lines=1-2", "bytes=a-b"] {
        let answer = read(ignored).await;
        assert_eq!(answer.status(), StatusCode::OK, "{ignored}");
        assert_eq!(answer.text().await.unwrap(), "0123456789", "{ignored}");
    }
}

/// Another tenant's token and one of the first tenant that has expired, written as the API would.
async fn others(cloud: &Cloud) -> (Client, Client) {
    let store = SqliteStore::open(&cloud.dir().join("api/claw.db")).unwrap();
    let (theirs, old) = (ApiToken::generate(), ApiToken::generate());
    let now = Timestamp::now();
    let other = Tenant { id: TenantId::new(), name: "other".to_owned(), max_agents: 1, created_at: now };
    let first = store.tenants().await.unwrap()[0].id;
    let token = |token: &ApiToken, tenant, expires_at| Token {
        id: token.id(),
        tenant,
        name: "other".to_owned(),
        hash: token.hash(),
        scopes: Scope::ALL.to_vec(),
        created_at: now,
        expires_at,
    };
    let expired = now.checked_sub(1.second()).unwrap();
    store.create_token(token(&old, first, Some(expired))).await.unwrap();
    store.create_tenant(other.clone()).await.unwrap();
    store.create_token(token(&theirs, other.id, None)).await.unwrap();
    (Client::new(&cloud.url, &theirs.expose()), Client::new(&cloud.url, &old.expose()))
}

#[tokio::test]
async fn another_tenant_finds_nothing_and_nobody_finds_less() {
    let (cloud, agent, _) = cloud().await;
    let (theirs, expired) = others(&cloud).await;
    let before = everything(&cloud, &agent).await;
    let mine: Value = cloud.get("/v1/tokens").await.1;
    let token = mine["data"][0]["id"].as_str().unwrap();
    let at = |rest: &str| format!("/v1/agents/{}{rest}", agent.id);
    let routes = [
        (Method::GET, at("")),
        (Method::GET, at("?wait_for=terminated&timeout_seconds=1")),
        (Method::DELETE, at("")),
        (Method::POST, at("/tickets")),
        (Method::GET, at("/files")),
        (Method::GET, at("/files/kept")),
        (Method::PUT, at("/files/kept")),
        (Method::DELETE, at("/files/kept")),
        (Method::GET, at("/logs")),
        (Method::DELETE, format!("/v1/tokens/{token}")),
    ];
    let nobody = [Client::new(&cloud.url, "garbage"), Client::new(&cloud.url, ""), expired];
    for (method, path) in routes {
        refused(&path, theirs.request(method.clone(), &path), Code::NotFound).await;
        for nobody in &nobody {
            refused(&path, nobody.request(method.clone(), &path), Code::Unauthenticated).await;
        }
    }
    for nobody in &nobody {
        refused("list", nobody.request(Method::GET, "/v1/agents"), Code::Unauthenticated).await;
        refused("spawn", spawn(nobody).json(&json!({ "image": "hello" })), Code::Unauthenticated).await;
    }
    // What hosts say is believed of hosts alone.
    for path in ["hosts", "hosts/hst_01ARZ3NDEKTSV4RRFFQ69G5FAV/reports", "tickets/redeem"] {
        let request = cloud.request(Method::POST, &format!("/internal/v1/{path}")).json(&json!({}));
        refused(path, request, Code::Unauthenticated).await;
    }
    assert_eq!(theirs.get("/v1/agents").await.1["data"], json!([]));
    assert_eq!(everything(&cloud, &agent).await, before);
    // A checkpoint is the host's own doing.
    let now = cloud.agent(&agent).await;
    let own = Agent { checkpoint: now.checkpoint, version: now.version, updated_at: now.updated_at, ..agent };
    assert_eq!(now, own);
}

#[tokio::test]
async fn a_ticket_opens_one_socket_of_one_agent() {
    let (cloud, agent, _) = cloud().await;
    let other = cloud.spawn(json!({ "image": "hello" })).await;
    let ticket = cloud.ticket(&agent, Role::Operator).await;
    let open = async |url: &str, protocols: &[String]| {
        Terminal::connect(url, protocols, Some(&cloud.url)).await.unwrap().wait_close().await
    };
    let wrong = ticket.url.replace(&agent.id.to_string(), &other.id.to_string());
    assert_eq!(open(&wrong, &ticket.protocols).await, close::TICKET, "for another agent");
    let fresh = cloud.ticket(&agent, Role::Operator).await;
    let mut terminal = Terminal::connect(&fresh.url, &fresh.protocols, Some(&cloud.url)).await.unwrap();
    terminal.attach("test").await;
    assert_eq!(open(&fresh.url, &fresh.protocols).await, close::TICKET, "a second time");
    let protocols = [fresh.protocols[0].clone(), "ticket.Z2FyYmFnZQ".to_owned()];
    assert_eq!(open(&fresh.url, &protocols).await, close::TICKET, "garbage");
    assert_eq!(open(&fresh.url, &fresh.protocols[..1]).await, close::TICKET, "none");
    for origin in [Some("http://evil.example"), Some("null"), None] {
        let ticket = cloud.ticket(&agent, Role::Operator).await;
        let refused = Terminal::connect(&ticket.url, &ticket.protocols, origin).await;
        assert!(refused.is_err(), "{origin:?}");
    }
    terminal.wait("> ").await;
    terminal.run("undisturbed").await;
    terminal.wait("You said: undisturbed").await;
}
