//! Attacks that never end: they cost the attacker, and go when they are told to.

use std::time::{Duration, Instant};

use cloud_tests::{Cloud, cloud::PATIENCE};
use reqwest::{Method, StatusCode};
use serde_json::json;
use wire::agent::{Agent, Status};

use super::{Neighbour, hostile};

/// What a deleted agent may take to come to rest, and then some for the way there and back.
const GONE: Duration = Duration::from_millis(2_500);

async fn assert_harmless(attack: &str) {
    let cloud = Cloud::start().await;
    let mut neighbour = Neighbour::beside(&cloud).await;
    let (agent, mut terminal) = hostile(&cloud, attack).await;
    terminal.keys("x").await;
    neighbour.assert_prompt().await;
    assert_eq!(cloud.agent(&agent).await.status, Status::Running);
    // What it costs is on the meter, although its event never ends.
    let fuel = cloud.usage(&agent).await.fuel;
    assert!(fuel > 1_000_000, "{fuel}");
    // New agents start beside it, too.
    let mut newcomer = Neighbour::beside(&cloud).await;
    newcomer.assert_prompt().await;
    assert_goes(&cloud, &agent).await;
    neighbour.assert_prompt().await;
}

/// Deletes an agent that would never come to rest by itself.
async fn assert_goes(cloud: &Cloud, agent: &Agent) {
    let begun = Instant::now();
    let path = format!("/v1/agents/{}", agent.id);
    let (status, body) = cloud.call(Method::DELETE, &path, &json!(null)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    cloud.wait_for(agent, |now| now.status == Status::Terminated).await;
    assert!(begun.elapsed() < GONE, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_slows_nobody() {
    assert_harmless("loop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_agent_slows_nobody() {
    assert_harmless("spin").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_output_slows_nobody() {
    assert_harmless("flood").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_standard_output_slows_nobody() {
    assert_harmless("stdout-flood").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_costly_sequences_slows_nobody() {
    assert_harmless("screen-flood").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_log_entries_slows_nobody() {
    assert_harmless("log-flood").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_endless_loops_slow_nobody() {
    let cloud = Cloud::start().await;
    let mut neighbour = Neighbour::beside(&cloud).await;
    let mut loops = Vec::new();
    for _ in 0..8 {
        let (agent, mut terminal) = hostile(&cloud, "loop").await;
        terminal.keys("x").await;
        loops.push((agent, terminal));
    }
    neighbour.assert_prompt().await;
    for (agent, _) in &loops {
        assert_goes(&cloud, agent).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_host_does_for_an_agent_is_on_its_meter() {
    /// Of each byte of output, at least.
    const BYTE_FUEL: u64 = 10;
    let cloud = Cloud::start().await;
    let (agent, mut terminal) = hostile(&cloud, "burst").await;
    terminal.keys("x").await;
    terminal.wait_line("done").await;
    terminal.keys("y").await;
    terminal.wait_line("alive").await;
    let usage = cloud.usage(&agent).await;
    assert!(usage.output_bytes > 1_000_000 && usage.fuel > usage.output_bytes * BYTE_FUEL, "{usage:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_runs_at_its_rate() {
    const RATE: u64 = 1_000_000;
    let cloud = Cloud::start().await;
    let mut neighbour = Neighbour::beside(&cloud).await;
    let agent = cloud
        .spawn(json!({
            "image": "hostile", "config": { "attack": "spin", "at": "start" },
            "limits": { "fuel_per_second": RATE },
        }))
        .await;
    // What it may save up is used up first.
    let begun = Instant::now();
    let used_up = loop {
        let fuel = cloud.usage(&agent).await.fuel;
        if fuel >= 2 * RATE {
            break fuel;
        }
        assert!(begun.elapsed() < PATIENCE, "{fuel}");
    };
    neighbour.assert_prompt().await;
    let begun = Instant::now();
    loop {
        let (fuel, seconds) = (cloud.usage(&agent).await.fuel - used_up, begun.elapsed().as_secs_f64());
        if fuel >= RATE {
            // The slice that is charged before it is used makes a small difference.
            assert!((0.2..2.0).contains(&seconds), "{fuel} in {seconds} s");
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{fuel}");
    }
}
