//! An agent that writes to the outside one request after the other, while its host is killed under it.

use std::{collections::BTreeSet, time::Duration};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::Value;
use wire::agent::Status;

use super::{cloud, posts, server::Server, shell};

const KILLS: usize = 12;
/// Requests that are made at least in each of the lives.
const EACH: usize = 5;
const SEED: u64 = 20_261_125;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_made_twice_whenever_its_host_is_killed() {
    let (mut cloud, server) = (cloud(true).await, Server::start().await);
    server.answer(100_000);
    let (agent, mut terminal) = shell(&cloud, &server, Value::Null).await;
    let one = format!("curl -s -d $i http://{}/ > /dev/null || echo $i >> unknown", server.address);
    terminal.run(&format!("i=0; while [ ! -e stop ]; do {one}; i=$((i+1)); done; echo made $i")).await;
    let mut random = StdRng::seed_from_u64(SEED);
    for _ in 0..KILLS {
        server.wait_for(server.seen().len() + EACH).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..60))).await;
        cloud.kill(false, true, &[]).await;
        cloud.start_host().await;
    }
    server.wait_for(server.seen().len() + EACH).await;
    let path = format!("/v1/agents/{}/files", agent.id);
    let put = cloud.request(Method::PUT, &format!("{path}/stop")).body("").send().await.unwrap();
    assert!(put.status().is_success(), "{}", put.status());
    cloud.wait_for(&agent, |now| now.status == Status::Running).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("made ").await;
    let screen = terminal.screen();
    let made = screen.lines().find_map(|line| line.strip_prefix("made ")).unwrap().trim().parse().unwrap();
    let file = cloud.request(Method::GET, &format!("{path}/unknown")).send().await.unwrap();
    let file = if file.status().is_success() { file.text().await.unwrap() } else { String::new() };
    let unknown: BTreeSet<usize> = file.lines().map(|line| line.parse().unwrap()).collect();
    let bodies = posts(&server);
    let seen: BTreeSet<usize> = bodies.iter().map(|body| body.parse().unwrap()).collect();
    assert_eq!(seen.len(), bodies.len(), "one was made twice: {bodies:?}");
    // What did not come there is what the agent does not know, and of that there is at most one for each kill.
    assert!((0..made).all(|n| seen.contains(&n) || unknown.contains(&n)), "{seen:?} {unknown:?}");
    assert!(unknown.len() <= KILLS, "{unknown:?}");
}
