//! Everything is killed again and again under load; what was acknowledged is there once, and in its order.
//!
//! Clients that never stop send messages, write files, type, suspend, checkpoint and fork ([`load`], [`typist`]); what was
//! not acknowledged they ask for again. Kills come at random, with requests in flight, or at named places of the code
//! ([`points`]). Then an oracle compares the agents with what was acknowledged ([`oracle`]).
//!
//! `CRASH_SEED` and `CRASH_KILLS` have the random tests run with another seed, and as often as wanted.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use tokio::sync::watch;

mod load;
mod model;
mod oracle;
mod points;
mod typist;
mod world;

use load::{Load, pause, stand};
use model::Subject;
use oracle::PATIENCE;
use world::World;

/// Acknowledgements before a kill, at most.
const MOST: u64 = 24;
/// And then at most so many milliseconds.
const LATER: u64 = 20;

/// How a test goes, told when it fails.
struct Plan {
    seed: u64,
    kills: u64,
}

impl Plan {
    /// With these, unless the environment says otherwise.
    fn new(seed: u64, kills: u64) -> Self {
        Self { seed: number("CRASH_SEED").unwrap_or(seed), kills: number("CRASH_KILLS").unwrap_or(kills) }
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again: CRASH_SEED={} CRASH_KILLS={}", self.seed, self.kills);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a seed that was found is tried again without compiling")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Kills a world under load, and then judges it.
async fn ordeal(mut world: World, agents: usize, plan: Plan) {
    let begun = Instant::now();
    let mut random = StdRng::seed_from_u64(plan.seed);
    let client = world.client();
    let (acknowledged, mut count) = watch::channel(0);
    let acknowledged = Arc::new(acknowledged);
    let spawn = async |_| {
        let agent = client.spawn(json!({ "image": "machine" })).await;
        Subject::new(agent, acknowledged.clone())
    };
    let subjects = join_all((0..agents).map(spawn)).await;
    let load = Load::begin(&client, &subjects, &mut random).meddled(&client, &subjects, &mut random);
    let mut down = Duration::ZERO;
    for _ in 0..plan.kills {
        let enough = *count.borrow() + random.random_range(0..=MOST);
        // What it answers with holds a lock.
        let goes_on = tokio::time::timeout(PATIENCE, count.wait_for(|count| *count >= enough)).await.is_ok();
        if !goes_on {
            panic!("nothing is acknowledged any more: {}", stand(&client, &subjects).await);
        }
        let wrong = subjects.iter().any(|subject| !subject.model().wrong.is_empty());
        assert!(!wrong, "{}", stand(&client, &subjects).await);
        // In the middle of whatever there is.
        pause(&mut random, LATER).await;
        let at = Instant::now();
        world.kill(&mut random).await;
        down += at.elapsed();
    }
    let killed = begun.elapsed();
    load.end(&client, &subjects).await;
    // Nothing of it is only in memory.
    world.kill_all().await;
    for subject in &subjects {
        oracle::judge(&client, subject).await;
    }
    eprintln!(
        "{} kills in {killed:.1?}, {down:.1?} of them down; {} acknowledgements; all in {:.1?}",
        plan.kills,
        *count.borrow(),
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_and_host_are_killed_under_load() {
    ordeal(World::one().await, 3, Plan::new(0x0c1a_3d0e, 110)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_of_two_hosts_is_killed_or_drained_under_load() {
    ordeal(World::two().await, 3, Plan::new(0x5eed_0002, 80)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_is_killed_under_load() {
    ordeal(World::up().await, 2, Plan::new(0x5eed_0003, 24)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_and_two_hosts_are_killed_as_processes() {
    ordeal(World::fleet().await, 2, Plan::new(0x5eed_0004, 16)).await;
}
