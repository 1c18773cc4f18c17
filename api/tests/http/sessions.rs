//! Signing in to the console.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use wire::problem::Code;

use crate::harness::{Cloud, code};

async fn sign_in(cloud: &Cloud, body: Value) -> Response {
    let request = cloud.plain(Method::POST, "/v1/session").header("origin", &cloud.url);
    request.json(&body).send().await.unwrap()
}

fn cookie(answer: &Response) -> String {
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict") && cookie.contains("; Path=/")
    );
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_code_signs_in_once() {
    let cloud = Cloud::bare(|_| {}).await;
    let code_text = cloud.api.sign_in_code(&cloud.bootstrap).await.unwrap();
    let answer = sign_in(&cloud, json!({ "code": code_text })).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let cookie = cookie(&answer);
    let session: Value = answer.json().await.unwrap();
    assert_eq!(session["tenant_name"], "default");
    assert_eq!(code(sign_in(&cloud, json!({ "code": code_text })).await).await, Code::Unauthenticated);
    for wrong in ["", "x", &"0".repeat(64), &"0".repeat(10_000)] {
        assert_eq!(code(sign_in(&cloud, json!({ "code": wrong })).await).await, Code::Unauthenticated);
    }

    let with = |method: Method, path: &str| cloud.plain(method, path).header("cookie", &cookie);
    let who: Value = with(Method::GET, "/v1/session").send().await.unwrap().json().await.unwrap();
    assert_eq!(who["tenant"], session["tenant"]);
    assert_eq!(with(Method::GET, "/v1/agents").send().await.unwrap().status(), StatusCode::OK);
    let out = with(Method::DELETE, "/v1/session").header("origin", &cloud.url).send().await.unwrap();
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(code(with(Method::GET, "/v1/session").send().await.unwrap()).await, Code::Unauthenticated);
}

#[tokio::test]
async fn a_cookie_changes_something_only_from_our_own_pages() {
    let (cloud, _host) = Cloud::start().await;
    let cookie = cookie(&sign_in(&cloud, json!({ "token": cloud.bootstrap.token })).await);
    let spawn = async |origin: Option<&str>| {
        let request = cloud.plain(Method::POST, "/v1/agents/spawn").header("cookie", &cookie);
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        request.json(&json!({ "image": "shell" })).send().await.unwrap()
    };
    for origin in
        [None, Some("null"), Some("https://evil.example"), Some(&*format!("{}.evil.example", cloud.url))]
    {
        assert_eq!(code(spawn(origin).await).await, Code::OriginDenied, "{origin:?}");
    }
    assert_eq!(spawn(Some(&cloud.url)).await.status(), StatusCode::ACCEPTED);
    let localhost = cloud.url.replace("127.0.0.1", "localhost");
    assert_eq!(spawn(Some(&localhost)).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn sign_in_takes_exactly_one_proof_and_no_foreign_page() {
    let cloud = Cloud::bare(|_| {}).await;
    let both = json!({ "code": "a", "token": "b" });
    for body in [json!({}), both, json!({ "password": "x" })] {
        assert_eq!(code(sign_in(&cloud, body).await).await, Code::Validation);
    }
    let request = cloud.plain(Method::POST, "/v1/session").header("origin", "https://evil.example");
    let answer = request.json(&json!({ "token": cloud.bootstrap.token })).send().await.unwrap();
    assert_eq!(code(answer).await, Code::OriginDenied);
}

#[tokio::test]
async fn a_session_ends_with_the_token_it_came_from() {
    let cloud = Cloud::bare(|_| {}).await;
    let token = cloud.token(&["agents:read"]).await;
    let cookie = cookie(&sign_in(&cloud, json!({ "token": token })).await);
    let id = token["claw_live_".len()..].rsplit_once('_').unwrap().0;
    let revoked = cloud.request(Method::DELETE, &format!("/v1/tokens/{id}")).send().await.unwrap();
    assert_eq!(revoked.status(), StatusCode::NO_CONTENT);
    let answer = cloud.plain(Method::GET, "/v1/agents").header("cookie", &cookie).send().await.unwrap();
    assert_eq!(code(answer).await, Code::Unauthenticated);
}
