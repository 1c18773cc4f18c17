//! The OpenAPI document is the contract, checked in as `api/openapi.json`.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::harness::Cloud;

#[test]
fn the_document_is_the_one_that_is_checked_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    #[expect(
        clippy::disallowed_methods,
        reason = "the one switch of this test, set by hand: it writes the file anew"
    )]
    let update = std::env::var("UPDATE").is_ok();
    if update {
        std::fs::write(&path, api::openapi()).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == api::openapi(),
        "the API changed: look at `UPDATE=1 cargo test -p api --test http contract` and `git diff api/openapi.json`"
    );
}

fn document() -> Value {
    serde_json::from_str(api::openapi()).unwrap()
}

/// Every operation with its path and method.
fn operations(document: &Value) -> Vec<(String, Method, &Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes())
                && operation.get("responses").is_some()
            {
                operations.push((path.clone(), method, operation));
            }
        }
    }
    operations
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut references = Vec::new();
    walk(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

#[test]
fn every_operation_is_described_and_can_answer_a_problem() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = Vec::new();
    for (path, method, operation) in operations(&document) {
        let summary = operation["summary"].as_str().unwrap_or("");
        assert!(!summary.is_empty(), "{method} {path}");
        ids.push(operation["operationId"].as_str().unwrap());
        assert_eq!(
            operation["responses"]["default"]["$ref"], "#/components/responses/Problem",
            "{method} {path}"
        );
        let described = operation["parameters"].as_array().cloned().unwrap_or_default();
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            assert!(
                described.iter().any(|p| p["name"] == name && p["in"] == "path"),
                "{method} {path} {name}"
            );
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids repeat");
}

#[test]
fn the_endpoints_are_all_there() {
    let document = document();
    let there: Vec<_> =
        operations(&document).into_iter().map(|(path, method, _)| format!("{method} {path}")).collect();
    for expected in [
        "POST /agents/spawn",
        "POST /v1/agents/spawn",
        "GET /v1/agents",
        "GET /v1/agents/{id}",
        "DELETE /v1/agents/{id}",
        "POST /v1/agents/{id}/tickets",
        "GET /v1/agents/{id}/socket",
        "GET /v1/agents/{id}/files",
        "GET /v1/agents/{id}/files/{path}",
        "PUT /v1/agents/{id}/files/{path}",
        "DELETE /v1/agents/{id}/files/{path}",
        "GET /v1/agents/{id}/logs",
        "POST /v1/agents/{id}/suspend",
        "POST /v1/agents/{id}/resume",
        "POST /v1/agents/{id}/checkpoints",
        "GET /v1/agents/{id}/checkpoints",
        "DELETE /v1/checkpoints/{id}",
        "POST /v1/agents/{id}/restore",
        "POST /v1/agents/{id}/forks",
        "POST /v1/agents/{id}/upgrade",
        "POST /v1/agents/{id}/messages",
        "POST /v1/agents/{id}/hooks",
        "GET /v1/agents/{id}/hooks",
        "DELETE /v1/agents/{id}/hooks/{name}",
        "POST /v1/hooks/{secret}",
        "GET /v1/tokens",
        "POST /v1/tokens",
        "DELETE /v1/tokens/{id}",
        "GET /v1/images",
        "GET /v1/images/{id}",
        "GET /v1/hosts",
        "POST /v1/session",
        "GET /v1/session",
        "DELETE /v1/session",
        "GET /healthz",
        "GET /readyz",
        "GET /openapi.json",
    ] {
        assert!(there.iter().any(|there| there == expected), "{expected}");
    }
}

#[tokio::test]
async fn every_described_operation_is_served_and_guarded() {
    let (cloud, _host) = Cloud::start().await;
    let document = document();
    for (path, method, operation) in operations(&document) {
        let open = operation["security"].as_array().is_some_and(|all| all.contains(&serde_json::json!({})));
        let address = path.replace("{id}", "agt_01ARZ3NDEKTSV4RRFFQ69G5FAV").replace("{path}", "a");
        let answer = cloud.plain(method.clone(), &address).send().await.unwrap();
        let socket = path.ends_with("/socket");
        if open {
            assert!(answer.status() != StatusCode::UNAUTHORIZED, "{method} {path}");
            // An address of a webhook that is none is not found, in the words of this API.
            let served = answer.status() != StatusCode::NOT_FOUND || path == "/v1/hooks/{secret}";
            assert!(served, "{method} {path}");
        } else if !socket {
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_served_with_nothing_from_elsewhere() {
    let cloud = Cloud::bare(|_| {}).await;
    let served = cloud.plain(Method::GET, "/openapi.json").send().await.unwrap();
    assert_eq!(served.headers()["content-type"], "application/json");
    assert_eq!(served.text().await.unwrap(), api::openapi());
    let page = cloud.plain(Method::GET, "/docs").send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(!page.contains("http://") && !page.contains("https://"));
    for file in ["/docs/page.js", "/docs/page.css"] {
        assert!(page.contains(file));
        assert_eq!(cloud.plain(Method::GET, file).send().await.unwrap().status(), StatusCode::OK);
    }
}
