//! Tokens, scopes and tenants.

use std::sync::Arc;

use api::{
    auth::token::ApiToken,
    domain::tenant::{Tenant, Token},
    store::{Store as _, sqlite::SqliteStore},
};
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::{TenantId, access::Scope, problem::Code};

use crate::harness::{Cloud, code, id, problem};

#[tokio::test]
async fn nobody_gets_in_without_a_token_of_ours() {
    let cloud = Cloud::bare(|_| {}).await;
    let wrong = ApiToken::generate().expose();
    let (rest, last) = cloud.bootstrap.token.split_at(cloud.bootstrap.token.len() - 1);
    let broken = format!("{rest}{}", if last == "0" { "1" } else { "0" });
    for header in [
        None,
        Some("Bearer "),
        Some("Basic abc"),
        Some(&*format!("Bearer {wrong}")),
        Some(&*format!("Bearer {broken}")),
    ] {
        let request = cloud.plain(Method::GET, "/v1/agents");
        let request =
            header.into_iter().fold(request, |request, value| request.header("authorization", value));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        assert_eq!(code(answer).await, Code::Unauthenticated, "{header:?}");
    }
}

#[tokio::test]
async fn a_token_can_do_what_its_scopes_say() {
    let (cloud, _host) = Cloud::start().await;
    let agent = id(&cloud.spawn().await);
    let path = format!("/v1/agents/{agent}");
    let reader = cloud.token(&["agents:read"]).await;
    let table = [
        (Method::GET, path.clone(), None),
        (Method::GET, "/v1/agents".to_owned(), None),
        (Method::DELETE, path.clone(), Some("agents:write")),
        (Method::POST, format!("{path}/tickets"), Some("terminal")),
        (Method::PUT, format!("{path}/files/a"), Some("agents:write")),
        (Method::GET, "/v1/tokens".to_owned(), Some("operator")),
        (Method::GET, "/v1/hosts".to_owned(), Some("operator")),
        (Method::GET, "/v1/images".to_owned(), Some("images")),
    ];
    for (method, path, missing) in table {
        let answer = cloud.plain(method.clone(), &path).bearer_auth(&reader).send().await.unwrap();
        match missing {
            None => assert_eq!(answer.status(), StatusCode::OK, "{method} {path}"),
            Some(scope) => {
                let problem = problem(answer).await;
                assert_eq!((problem.status, problem.code), (403, Code::ScopeMissing), "{method} {path}");
                assert!(problem.detail.unwrap().contains(scope), "{method} {path}");
            }
        }
    }
    let body = json!({ "image": "shell" });
    let spawn =
        cloud.plain(Method::POST, "/v1/agents/spawn").bearer_auth(&reader).json(&body).send().await.unwrap();
    assert_eq!(code(spawn).await, Code::ScopeMissing);
    // May spawn, but not open terminals: no ticket comes with the answer.
    let spawner = cloud.token(&["agents:spawn"]).await;
    let spawn =
        cloud.plain(Method::POST, "/v1/agents/spawn").bearer_auth(&spawner).header("prefer", "wait=10");
    let spawned: Value = spawn.json(&body).send().await.unwrap().json().await.unwrap();
    assert!(spawned["status"] == "running" && spawned.get("ticket").is_none());
}

#[tokio::test]
async fn a_token_is_shown_once_and_stops_working_when_it_is_revoked() {
    let cloud = Cloud::bare(|_| {}).await;
    let body = json!({ "name": "ci", "scopes": ["agents:read"], "expires_in_seconds": 3600 });
    let made = cloud.request(Method::POST, "/v1/tokens").json(&body).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    let secret = made["secret"].as_str().unwrap();
    assert!(made["expires_at"].is_string());
    let listed = cloud.get("/v1/tokens").await.to_string();
    assert!(listed.contains(&id(&made)) && !listed.contains("secret") && !listed.contains("hash"));
    let list = async || cloud.plain(Method::GET, "/v1/agents").bearer_auth(secret).send().await.unwrap();
    assert_eq!(list().await.status(), StatusCode::OK);
    let path = format!("/v1/tokens/{}", id(&made));
    let revoked = cloud.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(revoked.status(), StatusCode::NO_CONTENT);
    assert_eq!(code(list().await).await, Code::Unauthenticated);
    assert_eq!(code(cloud.request(Method::DELETE, &path).send().await.unwrap()).await, Code::NotFound);
}

#[tokio::test]
async fn a_token_cannot_make_a_stronger_one() {
    let cloud = Cloud::bare(|_| {}).await;
    let operator = cloud.token(&["operator"]).await;
    let body = json!({ "name": "", "scopes": ["agents:read"], "expires_in_seconds": 0 });
    let answer =
        cloud.plain(Method::POST, "/v1/tokens").bearer_auth(&operator).json(&body).send().await.unwrap();
    let problem = problem(answer).await;
    let pointers: Vec<_> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
    assert_eq!(pointers, ["/name", "/scopes/0", "/expires_in_seconds"]);
}

#[tokio::test]
async fn another_tenants_agents_do_not_exist() {
    let (cloud, host) = Cloud::start().await;
    let agent = id(&cloud.spawn().await);
    let data = cloud.stop().await;
    let theirs = ApiToken::generate();
    let tenant =
        Tenant { id: TenantId::new(), name: "other".to_owned(), max_agents: 1, created_at: Timestamp::now() };
    let token = Token {
        id: theirs.id(),
        tenant: tenant.id,
        name: "theirs".to_owned(),
        hash: theirs.hash(),
        scopes: Scope::ALL.to_vec(),
        created_at: Timestamp::now(),
        expires_at: None,
    };
    let store = SqliteStore::open(&data.path().join("claw.db")).unwrap();
    store.create_tenant(tenant).await.unwrap();
    store.create_token(token).await.unwrap();
    drop(store);
    let cloud = Cloud::open(data, |_| {}).await;
    host.register(&cloud).await;

    let theirs = theirs.expose();
    let ask = async |method: Method, path: String| {
        cloud.plain(method, &path).bearer_auth(&theirs).send().await.unwrap()
    };
    for (method, rest) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::POST, "/tickets"),
        (Method::GET, "/files"),
        (Method::GET, "/files/a"),
        (Method::PUT, "/files/a"),
        (Method::DELETE, "/files/a"),
        (Method::GET, "/logs"),
        (Method::POST, "/suspend"),
        (Method::POST, "/resume"),
        (Method::POST, "/checkpoints"),
        (Method::GET, "/checkpoints"),
        (Method::POST, "/forks"),
        (Method::POST, "/messages"),
        (Method::GET, "/hooks"),
        (Method::DELETE, "/hooks/a"),
    ] {
        let answer = ask(method.clone(), format!("/v1/agents/{agent}{rest}")).await;
        assert_eq!(code(answer).await, Code::NotFound, "{method} {rest}");
    }
    let list: Value = ask(Method::GET, "/v1/agents".to_owned()).await.json().await.unwrap();
    assert_eq!(list["data"], json!([]));

    // And their quota is their own: one agent, then no more.
    let spawn = async || {
        let request = cloud.plain(Method::POST, "/v1/agents/spawn").bearer_auth(&theirs);
        request.json(&json!({ "image": "shell" })).send().await.unwrap()
    };
    assert_eq!(spawn().await.status(), StatusCode::ACCEPTED);
    let refused = problem(spawn().await).await;
    assert_eq!((refused.code, refused.status), (Code::QuotaExceeded, 429));
}

#[tokio::test]
async fn a_second_run_has_the_same_token_and_one_at_a_time_has_the_data() {
    let cloud = Cloud::bare(|_| {}).await;
    let token = cloud.bootstrap.token.clone();
    let second = api::Api::open(api::Config::new(cloud.data.path())).await;
    assert_eq!(second.err().map(|error| error.exit_code()), Some(75));
    let data: Arc<_> = cloud.stop().await;
    let again = Cloud::open(data, |_| {}).await;
    assert_eq!(again.bootstrap.token, token);
    assert_eq!(again.get("/v1/tokens").await["data"].as_array().unwrap().len(), 1);
}
