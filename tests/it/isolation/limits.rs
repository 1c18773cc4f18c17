//! Attacks that end at a limit: refused, and the agent lives.

use cloud_tests::Cloud;

use super::{Neighbour, assert_alive, hostile};

/// The number in `refused at <number> …`.
async fn refused_at(attack: &str) -> u64 {
    let cloud = Cloud::start().await;
    let mut neighbour = Neighbour::beside(&cloud).await;
    let (agent, mut terminal) = hostile(&cloud, attack).await;
    terminal.keys("x").await;
    neighbour.assert_prompt().await;
    terminal.wait_until("how the attack ended", |screen| screen.contains("refused")).await;
    assert_alive(&cloud, &agent, &mut terminal).await;
    let screen = terminal.screen();
    let (_, rest) = screen.split_once("refused at ").unwrap_or_else(|| panic!("{screen}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded() {
    let mib = refused_at("memory").await;
    assert!((8..16).contains(&mib), "{mib}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_that_is_used_is_bounded() {
    let mib = refused_at("memory-touch").await;
    assert!((8..16).contains(&mib), "{mib}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_in_flight_are_bounded() {
    assert_eq!(refused_at("operations").await, 1024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_files_are_bounded() {
    let handles = refused_at("handles").await;
    assert!((100..=512).contains(&handles), "{handles}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_on_disk_are_bounded() {
    let mib = refused_at("files").await;
    assert!((3..=4).contains(&mib), "{mib}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_files_is_bounded() {
    let files = refused_at("file-count").await;
    assert!((1000..=1024).contains(&files), "{files}");
}
