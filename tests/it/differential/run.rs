//! One conversation with one machine, with all the bytes its terminal gave.

use std::collections::BTreeMap;

use cloud_tests::{Cloud, Terminal, cloud::Setup};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::{
    access::Role,
    agent::{Agent, Status},
    terminal::From,
};

use super::sequence::{Between, Input, Step};

/// A cloud of two hosts, of which one runs at a time, but for a move.
pub(super) struct Stage {
    pub(super) cloud: Cloud,
    image: &'static str,
    /// The number of the second host, while it is the one that runs.
    second: Option<usize>,
    /// What happened to agents so far, and how often.
    pub(super) happened: BTreeMap<Between, usize>,
}

impl Stage {
    pub(super) async fn of(image: &'static str) -> Self {
        let cloud = Cloud::with(Setup { images: vec![image], ..Setup::default() }).await;
        Self { cloud, image, second: None, happened: BTreeMap::new() }
    }

    /// Whatever the conversation's steps say between them leaves no trace in what is printed.
    pub(super) async fn compare(&mut self, steps: &[Step]) {
        let undisturbed: Vec<Step> =
            steps.iter().map(|step| Step { between: Between::Nothing, ..step.clone() }).collect();
        let expected = self.run(&undisturbed, None).await;
        assert_eq!(count(&expected), steps.last().and_then(|step| step.lines).unwrap());
        self.run(steps, Some(&expected)).await;
    }

    /// What a new agent prints in a conversation, from its first byte to its last: `expected`, when that is known.
    pub(super) async fn run(&mut self, steps: &[Step], expected: Option<&[u8]>) -> Vec<u8> {
        let agent = self.cloud.spawn(json!({ "image": self.image })).await;
        assert!(agent.suspendable, "{}", self.image);
        let mut run =
            Run { terminal: self.cloud.socket(&agent, Role::Operator).await, agent, before: Vec::new() };
        run.terminal.attach_at(From::Position { generation: 1, offset: 0 }, Some(SESSION)).await;
        run.rest(1, expected).await;
        for step in steps {
            self.disturb(&mut run, step.between).await;
            run.tell(&self.cloud, &step.input).await;
            if let Some(lines) = step.lines {
                run.rest(lines, expected).await;
            }
        }
        let printed = run.printed();
        // Nor does the host know of more.
        let mut again = self.cloud.socket(&run.agent, Role::Viewer).await;
        again.attach_at(From::SNAPSHOT, None).await;
        again.wait_for("the screen", |terminal| terminal.snapshots > 0).await;
        assert_eq!(again.position.1, printed.len() as u64, "{}", String::from_utf8_lossy(&printed));
        remove(&self.cloud, &run.agent).await;
        printed
    }

    async fn disturb(&mut self, run: &mut Run, between: Between) {
        *self.happened.entry(between).or_default() += 1;
        if between == Between::Nothing {
            return;
        }
        // What woke it may have been answered before everybody knows that it runs.
        run.agent = self.cloud.wait_for(&run.agent, |now| now.status == Status::Running).await;
        match between {
            Between::Nothing => {}
            Between::Suspend => {
                let epoch = run.agent.epoch;
                turn(&self.cloud, &run.agent, "suspend").await;
                turn(&self.cloud, &run.agent, "resume").await;
                let back = |now: &Agent| now.status == Status::Running && now.epoch > epoch;
                run.agent = self.cloud.wait_for(&run.agent, back).await;
            }
            // A timer may have woken it before anybody looks.
            Between::Wake => turn(&self.cloud, &run.agent, "suspend").await,
            Between::Fork => {
                let fork = fork(&self.cloud, &run.agent).await;
                remove(&self.cloud, &run.agent).await;
                run.agent = fork;
            }
            Between::Move => {
                let epoch = run.agent.epoch;
                match self.second.take() {
                    None => {
                        self.second = Some(self.cloud.add_host().await);
                        self.cloud.stop_host().await;
                    }
                    Some(second) => {
                        self.cloud.start_host().await;
                        self.cloud.stop_more(second).await;
                    }
                }
                let moved = |now: &Agent| now.status == Status::Running && now.epoch > epoch;
                run.agent = self.cloud.wait_for(&run.agent, moved).await;
            }
        }
        run.reconnect(&self.cloud, between == Between::Fork).await;
    }
}

/// The input session of every socket.
const SESSION: &str = "keys";

struct Run {
    agent: Agent,
    terminal: Terminal,
    /// Printed on earlier sockets.
    before: Vec<u8>,
}

impl Run {
    /// Everything that was printed.
    fn printed(&self) -> Vec<u8> {
        [self.before.as_slice(), &self.terminal.data].concat()
    }

    /// Goes on at the byte after the last one, on a new socket.
    async fn reconnect(&mut self, cloud: &Cloud, forked: bool) {
        let (mut generation, offset) = self.terminal.position;
        if forked {
            // Another terminal, that begins with what its parent's showed.
            let mut viewer = cloud.socket(&self.agent, Role::Viewer).await;
            viewer.attach_at(From::SNAPSHOT, None).await;
            generation = viewer.position.0;
        }
        self.before = self.printed();
        assert_eq!(offset, self.before.len() as u64, "every byte came as a byte");
        self.terminal = cloud.socket(&self.agent, Role::Operator).await;
        self.terminal.attach_at(From::Position { generation, offset }, Some(SESSION)).await;
        let at = self.terminal.position;
        assert_eq!(at, (generation, offset), "its terminal does not go on where it was");
    }

    /// Says something; when it is typed, its event is over then, but not what that began.
    async fn tell(&mut self, cloud: &Cloud, input: &Input) {
        match input {
            Input::Line(line) => {
                self.terminal.run(line).await;
                let sent = self.terminal.sent;
                self.terminal.wait_for(&format!("{line:?} taken"), |now| now.applied >= sent).await;
            }
            Input::Message(body) => {
                let path = format!("/v1/agents/{}/messages", self.agent.id);
                let sent = cloud.request(Method::POST, &path).body(body.clone()).send().await.unwrap();
                assert_eq!(sent.status(), StatusCode::ACCEPTED);
            }
        }
    }

    /// Waits for so many lines in all; they are those expected, and no byte more.
    async fn rest(&mut self, lines: usize, expected: Option<&[u8]>) {
        let before = count(&self.before);
        let what = format!("{lines} lines of {}", self.agent.image);
        self.terminal.wait_for(&what, |now| before + count(&now.data) >= lines).await;
        let Some(expected) = expected else { return };
        let printed = self.printed();
        let end = expected.split_inclusive(|byte| *byte == b'\n').take(lines).map(<[u8]>::len).sum();
        assert_eq!(
            String::from_utf8_lossy(&printed),
            String::from_utf8_lossy(&expected[..end]),
            "printed, and what was expected"
        );
    }
}

/// Lines that are complete.
fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// Suspends or resumes, and waits until it is done.
pub(super) async fn turn(cloud: &Cloud, agent: &Agent, verb: &str) {
    // A resume may meet a timer that wakes it; it is answered when either is through.
    let (status, body) = cloud.act(agent, verb, &Value::Null).await;
    assert!(status.is_success(), "{verb}: {status} {body}");
}

async fn fork(cloud: &Cloud, agent: &Agent) -> Agent {
    let (status, body) = cloud.act(agent, "forks", &json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let fork: Agent = serde_json::from_value(body["results"][0]["agent"].clone()).unwrap();
    assert_eq!(fork.parent.unwrap().agent, agent.id);
    cloud.wait_for(&fork, |now| now.status == Status::Running).await
}

async fn remove(cloud: &Cloud, agent: &Agent) {
    let (status, body) = cloud.end(agent).await;
    assert!(status.is_success(), "{body}");
}
