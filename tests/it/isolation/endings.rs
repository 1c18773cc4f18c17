//! Attacks that end the attacker.

use cloud_tests::Cloud;
use wire::agent::StatusReason;

use super::{Neighbour, assert_failed, hostile};

async fn assert_ends(attack: &str, shown: &str) {
    let cloud = Cloud::start().await;
    let mut neighbour = Neighbour::beside(&cloud).await;
    let (agent, mut terminal) = hostile(&cloud, attack).await;
    terminal.keys("x").await;
    neighbour.assert_prompt().await;
    assert_failed(&cloud, &agent, StatusReason::GuestTrap).await;
    terminal.wait_close().await;
    assert!(terminal.screen().contains(shown), "{}", terminal.screen());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_only_the_agent() {
    assert_ends("trap", "[agent ended: trapped").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_recursion_ends_only_the_agent() {
    assert_ends("stack", "stack").await;
}
