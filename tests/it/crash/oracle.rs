//! What must be true of an agent in the end, by what was acknowledged.

use std::time::Duration;

use cloud_tests::{Client, Terminal};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;
use wire::{
    AgentId,
    access::Role,
    agent::{Agent, Page, Status},
    terminal::From,
};

use super::model::{Fork, Model, NAMES, Subject, lines_in, state};

/// Longest wait for anything that should happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// What is printed for a message of the other agent.
const LETTER: &str = "message add 7?";

/// Has an agent run, wherever the last kill left it.
pub(super) async fn running(client: &Client, agent: &Agent) -> Agent {
    client.call(Method::POST, &format!("/v1/agents/{}/resume", agent.id), &json!(null)).await;
    let now = client
        .wait_within(PATIENCE, agent, |now| now.status == Status::Running || now.status.is_final())
        .await;
    assert_eq!(now.status, Status::Running, "{now:?}");
    now
}

/// What a machine says of itself, and what of its life is on its terminal.
struct Life {
    messages: Vec<u64>,
    /// Those of another agent.
    letters: u64,
    sum: u64,
    hash: String,
    /// Answers to `add` and to `hash`, these two included.
    sums: u64,
    hashes: u64,
}

/// Asks a machine, once it has handled so many messages.
async fn ask(client: &Client, agent: &Agent, messages: u64) -> Life {
    let mut terminal = client.socket(agent, Role::Operator).await;
    terminal.attach("judge").await;
    let begin = From::Position { generation: terminal.position.0, offset: 0 };
    let mut history = client.socket(agent, Role::Viewer).await;
    history.attach_at(begin, None).await;
    let until = Instant::now() + PATIENCE;
    // What it still has to handle comes before the questions.
    while numbers(&text(&history)).len() < usize::try_from(messages).unwrap() && Instant::now() < until {
        history.receive_for(Duration::from_millis(20)).await;
    }
    for question in ["hash z", "add 0", "get judge"] {
        terminal.run(question).await;
    }
    history.wait_for("its answers", |now| text(now).contains("judge unset\r\n")).await;
    assert_eq!(history.snapshots, 0, "its terminal has not kept all of its life");
    let text = text(&history);
    let last = |what: &str| {
        text.lines().rev().find_map(|line| line.trim_end().strip_prefix(what)).unwrap().to_owned()
    };
    let count = |what: &str| text.lines().filter(|line| line.starts_with(what)).count() as u64;
    let (sums, hashes) = (count("sum "), count("hash "));
    let letters = count(LETTER);
    Life {
        messages: numbers(&text),
        letters,
        sum: last("sum ").parse().unwrap(),
        hash: last("hash "),
        sums,
        hashes,
    }
}

fn text(terminal: &Terminal) -> String {
    String::from_utf8_lossy(&terminal.data).into_owned()
}

/// Of the messages that were handled, in that order.
fn numbers(text: &str) -> Vec<u64> {
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let messages = whole.lines().filter_map(|line| line.trim_end().strip_prefix("message m"));
    messages.map(|number| number.parse().unwrap()).collect()
}

/// The numbers its files hold.
async fn files(client: &Client, agent: &Agent) -> [Option<u64>; NAMES] {
    let mut found = [None; NAMES];
    for (name, number) in found.iter_mut().enumerate() {
        let path = format!("/v1/agents/{}/files/f{name}", agent.id);
        let answer = client.request(Method::GET, &path).send().await.unwrap();
        if answer.status() != StatusCode::NOT_FOUND {
            assert_eq!(answer.status(), StatusCode::OK);
            *number = Some(answer.text().await.unwrap().parse().unwrap());
        }
    }
    found
}

/// Everything that was asked for was acknowledged: each of it is there once, and in its order.
pub(super) async fn judge(client: &Client, subject: &Subject) {
    let agent = running(client, &subject.agent).await;
    let model = std::mem::take(&mut *subject.model());
    assert!(model.wrong.is_empty(), "{:#?}", model.wrong);
    let life = ask(client, &agent, model.messages).await;
    let wanted: Vec<u64> = (0..model.messages).collect();
    assert_eq!(life.messages, wanted, "messages of {}", agent.id);
    assert_eq!(life.letters, model.letters, "messages of another agent to {}", agent.id);
    assert_eq!((life.sum, life.hash), state(model.lines), "input of {}", agent.id);
    assert_eq!(
        (life.sums, life.hashes),
        (model.lines / 2 + 1, model.lines.div_ceil(2) + 1),
        "answers of {}",
        agent.id
    );
    assert_eq!(files(client, &agent).await, model.files, "files of {}", agent.id);
    for fork in forks(client, agent.id).await {
        let asked = model.forks.iter().find(|made| made.id == fork.id);
        judge_fork(client, &fork, &model, asked).await;
    }
    for made in &model.forks {
        let (status, body) = client.get(&format!("/v1/agents/{}", made.id)).await;
        assert_eq!(status, StatusCode::OK, "a fork that was answered for: {body}");
    }
    let (returns, again) = model.returns;
    eprintln!(
        "{}: {} messages, {} lines, files {:?}, {} forks; attached {returns} times, {again} bytes typed again",
        agent.id,
        model.messages,
        model.lines,
        model.files,
        model.forks.len()
    );
}

/// Forks of an agent, those whose answer was lost too.
async fn forks(client: &Client, parent: AgentId) -> Vec<Agent> {
    let (status, body) = client.get("/v1/agents?limit=100").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let page: Page<Agent> = serde_json::from_value(body).unwrap();
    assert!(page.next_cursor.is_none(), "more agents than there should be");
    let mut forks = page.data;
    forks.retain(|agent| agent.parent.as_ref().is_some_and(|lineage| lineage.agent == parent));
    forks
}

/// A fork is where its parent once was: not before what was durable when it was asked for.
async fn judge_fork(client: &Client, fork: &Agent, parent: &Model, asked: Option<&Fork>) {
    let fork = running(client, fork).await;
    let life = ask(client, &fork, 0).await;
    let wanted: Vec<u64> = (0..life.messages.len() as u64).collect();
    assert_eq!(life.messages, wanted, "messages of the fork {}", fork.id);
    assert!(wanted.len() as u64 <= parent.messages, "messages its parent never had");
    let least = asked.map_or(0, |asked| lines_in(&parent.typed, asked.durable));
    let at = (0..=parent.lines).find(|lines| state(*lines) == (life.sum, life.hash.clone()));
    let Some(lines) = at else {
        panic!("the fork {} has sum {} and hash {}, which its parent never had", fork.id, life.sum, life.hash)
    };
    assert!(lines >= least, "the fork {} has {lines} lines, {least} were durable before", fork.id);
    assert_eq!((life.sums, life.hashes), (lines / 2 + 1, lines.div_ceil(2) + 1), "answers of a fork");
    let found = files(client, &fork).await;
    for (name, number) in found.iter().enumerate() {
        let least = asked.and_then(|asked| asked.files[name]);
        assert!(*number >= least && *number <= parent.files[name], "f{name} of a fork holds {number:?}");
    }
}
