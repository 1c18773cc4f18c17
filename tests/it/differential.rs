//! A run that is suspended, moved or forked between any two of its events is the run that never was: for agents in Rust
//! and in JavaScript on QuickJS and on SpiderMonkey. What they do is in `tests/guests/machine/README.md`.

use cloud_tests::{Cloud, Terminal, cloud::Setup};
use reqwest::Method;
use serde_json::json;
use wire::{
    agent::{Agent, Status},
    terminal::From,
};

const COMMON: &str = include_str!("../guests/machine/transcript.txt");
const FILES: &str = include_str!("../guests/machine/files.txt");

/// What happens to the agent between two lines.
#[derive(Debug, Clone, Copy)]
enum Between {
    Suspend,
    Fork,
    Move,
}

/// A command, and the lines it is answered with.
fn steps(transcript: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in transcript.lines() {
        match line.strip_prefix("> ") {
            Some(command) => steps.push((command.to_owned(), Vec::new())),
            None => {
                if let Some((_, answers)) = steps.last_mut() {
                    answers.push(line.to_owned());
                }
            }
        }
    }
    steps
}

async fn cloud(image: &'static str) -> Cloud {
    Cloud::with(Setup { images: vec![image], ..Setup::default() }).await
}

async fn suspend_and_resume(cloud: &Cloud, agent: &Agent) -> Agent {
    for (verb, status) in [("suspend", Status::Suspended), ("resume", Status::Running)] {
        let path = format!("/v1/agents/{}/{verb}", agent.id);
        // Answered when it is done: a poll of the record would come a second later.
        let answer = cloud.request(Method::POST, &path).header("prefer", "wait=20").send().await.unwrap();
        assert!(answer.status().is_success(), "{verb}: {}", answer.status());
        cloud.wait_for(agent, |now| now.status == status).await;
    }
    cloud.agent(agent).await
}

async fn fork(cloud: &Cloud, agent: &Agent) -> Agent {
    let path = format!("/v1/agents/{}/forks", agent.id);
    let (_, body) = cloud.call(Method::POST, &path, &json!({})).await;
    let fork: Agent = serde_json::from_value(body["results"][0]["agent"].clone()).unwrap();
    cloud.call(Method::DELETE, &format!("/v1/agents/{}", agent.id), &json!(null)).await;
    cloud.wait_for(&fork, |now| now.status == Status::Running).await
}

/// The bytes a terminal got after `from`, as lines.
fn lines(terminal: &Terminal, from: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(&terminal.data[from..]).into_owned();
    text.split("\r\n").filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Every step is answered as the transcript says, whatever happens before it.
async fn run(image: &'static str, transcript: &str, between: Between, every: usize) {
    let mut cloud = cloud(image).await;
    let mut agent = cloud.spawn(json!({ "image": image })).await;
    let mut host = None;
    let mut position = {
        let mut terminal = cloud.terminal(&agent).await;
        terminal.wait_line("machine ready").await;
        terminal.position
    };
    for (number, (command, answers)) in steps(transcript).into_iter().enumerate() {
        if number % every == every - 1 {
            let epoch = agent.epoch;
            agent = match between {
                Between::Suspend => suspend_and_resume(&cloud, &agent).await,
                Between::Fork => fork(&cloud, &agent).await,
                Between::Move => {
                    let next = cloud.add_host().await;
                    match host.replace(next) {
                        None => cloud.stop_host().await,
                        Some(old) => cloud.stop_more(old).await,
                    }
                    cloud.wait_for(&agent, |now| now.status == Status::Running && now.epoch > epoch).await
                }
            };
        }
        let mut terminal = cloud.socket(&agent, wire::access::Role::Operator).await;
        let from = match between {
            // A fork is another agent: its terminal begins with what its parent showed.
            Between::Fork => From::SNAPSHOT,
            _ => From::Position { generation: position.0, offset: position.1 },
        };
        let session = format!("s{number}");
        terminal.attach_at(from, Some(&session)).await;
        let begun = terminal.data.len();
        terminal.run(&command).await;
        terminal
            .wait_for(&format!("{answers:?} to {command:?} of {image}"), |now| {
                lines(now, begun).len() >= answers.len()
            })
            .await;
        assert_eq!(lines(&terminal, begun), answers, "{image}: {command:?} with {between:?} before it");
        position = terminal.position;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_is_suspended_after_every_line() {
    run("machine", COMMON, Between::Suspend, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_is_suspended_with_a_file_open() {
    run("machine", FILES, Between::Suspend, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_moves_with_a_file_open() {
    run("machine", FILES, Between::Move, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_goes_on_in_its_forks() {
    run("machine", COMMON, Between::Fork, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quickjs_is_suspended_after_every_line() {
    run("machine-quickjs", COMMON, Between::Suspend, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spidermonkey_is_suspended_and_forked() {
    run("machine-js", COMMON, Between::Suspend, 2).await;
    run("machine-js", COMMON, Between::Fork, 7).await;
}

/// The same state after many cycles, and neither checkpoints nor the store grow with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_cycles_leave_no_trace() {
    const CYCLES: usize = 100;
    let cloud = cloud("machine").await;
    let mut agent = cloud.spawn(json!({ "image": "machine" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run("add 41").await;
    terminal.wait_line("sum 41").await;
    drop(terminal);
    let mut sizes = Vec::new();
    for _ in 0..CYCLES {
        agent = suspend_and_resume(&cloud, &agent).await;
        let (_, list) = cloud.get(&format!("/v1/agents/{}/checkpoints", agent.id)).await;
        let newest = &list["data"][0];
        sizes.push((newest["size_bytes"].as_u64().unwrap(), newest["unique_bytes"].as_u64().unwrap()));
    }
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run("add 1").await;
    terminal.wait_line("sum 42").await;
    let (early, late) = (sizes[4], sizes[CYCLES - 1]);
    assert!(late.0 <= early.0 + early.0 / 20 && late.1 <= early.1 + 1024, "{early:?} {late:?}");
}
