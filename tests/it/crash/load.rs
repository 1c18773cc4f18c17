//! Clients that never stop: each repeats what was not acknowledged, whatever happens to the cloud meanwhile.

use std::{sync::Arc, time::Duration};

use cloud_tests::Client;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use reqwest::Method;
use serde_json::json;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use wire::checkpoint::{ForkResult, Forks};

use super::{
    model::{Fork, NAMES, Subject},
    oracle::PATIENCE,
    typist,
};

/// Most forks of one run: each is an agent more.
const MAX_FORKS: usize = 6;
/// What a client that gives up waits for its answer, microseconds.
const HASTE: std::ops::Range<u64> = 300..8_000;

/// Clients at work.
#[derive(Debug)]
pub(super) struct Load {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Load {
    /// Three clients for each agent.
    pub(super) fn begin(client: &Client, subjects: &[Arc<Subject>], random: &mut StdRng) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let mut next = || StdRng::seed_from_u64(random.random());
        for subject in subjects {
            tasks.spawn(messages(client.clone(), subject.clone(), stop.clone(), next()));
            tasks.spawn(files(client.clone(), subject.clone(), stop.clone(), next()));
            tasks.spawn(typist::work(client.clone(), subject.clone(), stop.clone(), next()));
        }
        Self { tasks, stop }
    }

    /// And one more, who meddles with all agents.
    pub(super) fn meddled(mut self, client: &Client, subjects: &[Arc<Subject>], random: &mut StdRng) -> Self {
        let random = StdRng::seed_from_u64(random.random());
        self.tasks.spawn(meddle(client.clone(), subjects.to_vec(), self.stop.clone(), random));
        self
    }

    /// Lets every client end what it began: then all that was asked for is acknowledged.
    pub(super) async fn end(mut self, client: &Client, subjects: &[Arc<Subject>]) {
        self.stop.cancel();
        let ending = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.unwrap();
            }
        };
        tokio::select! {
            ended = timeout(PATIENCE, ending) => {
                assert!(ended.is_ok(), "not all is acknowledged: {}", stand(client, subjects).await);
            }
            () = keep(client, subjects) => {}
        }
    }
}

/// Has what was typed become durable, which by itself takes seconds.
async fn keep(client: &Client, subjects: &[Arc<Subject>]) {
    loop {
        for subject in subjects {
            client.request(Method::POST, &subject.path("checkpoints")).json(&json!({})).send().await.ok();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Where everything is, for a person.
pub(super) async fn stand(client: &Client, subjects: &[Arc<Subject>]) -> String {
    let mut text = String::new();
    for subject in subjects {
        let (_, agent) = client.get(&format!("/v1/agents/{}", subject.agent.id)).await;
        text += &format!("\n{agent}\n{:#?}", subject.model());
    }
    text
}

/// Clients pause as people and programs do; it bounds the load.
pub(super) async fn pause(random: &mut StdRng, milliseconds: u64) {
    tokio::time::sleep(Duration::from_micros(random.random_range(0..1000 * milliseconds))).await;
}

async fn messages(client: Client, subject: Arc<Subject>, stop: CancellationToken, mut random: StdRng) {
    let path = subject.path("messages");
    for number in 0.. {
        let name = format!("m{number}");
        loop {
            let request = client.request(Method::POST, &path).header("idempotency-key", &name);
            let mut request = request.body(name.clone());
            if random.random_bool(0.2) {
                // It does not learn what became of this one.
                request = request.timeout(Duration::from_micros(random.random_range(HASTE)));
            }
            if subject.done("message", request.send().await).await.is_some() {
                break;
            }
            pause(&mut random, 10).await;
        }
        subject.acknowledge(|model| model.messages = number + 1);
        if stop.is_cancelled() {
            return;
        }
        pause(&mut random, 30).await;
    }
}

async fn files(client: Client, subject: Arc<Subject>, stop: CancellationToken, mut random: StdRng) {
    for number in 0.. {
        let name = usize::try_from(number).unwrap() % NAMES;
        let path = subject.path(&format!("files/f{name}"));
        loop {
            let request = client.request(Method::PUT, &path).body(number.to_string());
            if subject.done("file", request.send().await).await.is_some() {
                break;
            }
            pause(&mut random, 10).await;
        }
        subject.acknowledge(|model| model.files[name] = Some(number));
        if stop.is_cancelled() {
            return;
        }
        // Each write takes a checkpoint: between two there is to be time for something to be undone.
        pause(&mut random, 400).await;
    }
}

/// Suspends, resumes, checkpoints and forks what others work with. What fails is not repeated.
async fn meddle(client: Client, subjects: Vec<Arc<Subject>>, stop: CancellationToken, mut random: StdRng) {
    let mut forks = 0;
    loop {
        pause(&mut random, 400).await;
        if stop.is_cancelled() {
            return;
        }
        let subject = subjects.choose(&mut random).unwrap();
        let fork = random.random_bool(0.2) && forks < MAX_FORKS;
        if fork {
            forks += 2;
            self::fork(&client, subject).await;
            continue;
        }
        let verb = *["suspend", "suspend", "resume", "checkpoints"].choose(&mut random).unwrap();
        let request = client.request(Method::POST, &subject.path(verb)).json(&json!({}));
        if subject.done(verb, request.send().await).await.is_some() {
            subject.acknowledge(|_| {});
        }
    }
}

async fn fork(client: &Client, subject: &Subject) {
    let (durable, files) = {
        let model = subject.model();
        (model.durable, model.files)
    };
    let request = client.request(Method::POST, &subject.path("forks")).json(&json!({ "count": 2 }));
    let Some(answer) = subject.done("fork", request.send().await).await else { return };
    let Ok(made) = answer.json::<Forks>().await else { return };
    subject.acknowledge(|model| {
        for result in made.results {
            match result {
                ForkResult::Agent { agent } => model.forks.push(Fork { id: agent.id, durable, files }),
                ForkResult::Problem { problem } => model.wrong.push(format!("fork: {problem:?}")),
            }
        }
    });
}
