//! A new version of a component takes over an agent by `save` and `load`, or the agent stays what it is.

use cloud_tests::{Cloud, Terminal, cloud::Setup};
use reqwest::StatusCode;
use serde_json::{Value, json};
use wire::agent::{Agent, Status};

async fn counter() -> (Cloud, Agent, Terminal) {
    let images = vec!["counter", "counter-v2", "counter-v3", "counter-v4", "hello"];
    let cloud = Cloud::with(Setup { images, ..Setup::default() }).await;
    let agent = cloud.spawn(json!({ "image": "counter" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line("counter version 1").await;
    terminal.keys("abc").await;
    terminal.wait_line("counter version 1: 3").await;
    (cloud, agent, terminal)
}

async fn upgrade(cloud: &Cloud, agent: &Agent, image: &str) -> (StatusCode, Value) {
    cloud.act(agent, "upgrade", &json!({ "image": image })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_version_goes_on_with_state_and_operations() {
    let (cloud, agent, mut terminal) = counter().await;
    terminal.keys("z").await;
    terminal.wait_line("sleeping").await;
    let (status, upgraded) = upgrade(&cloud, &agent, "counter-v2").await;
    assert_eq!(status, StatusCode::OK, "{upgraded}");
    let digest = cloud.agent(&agent).await.image_digest;
    assert_ne!(digest, agent.image_digest);
    terminal.wait_line("counter version 2 goes on at 3").await;
    // Begun by the version before, ended for this one.
    terminal.wait_line("counter version 2 slept").await;
    terminal.keys("d").await;
    terminal.wait_line("counter version 2: 4").await;
    drop(terminal);
    // The checkpoint says so: whatever happens now, it is the new version.
    let cloud = cloud.crash().await;
    cloud.wait_for(&agent, |now| now.status == Status::Running && now.epoch > agent.epoch).await;
    assert_eq!(cloud.agent(&agent).await.image_digest, digest);
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("counter version 2 goes on at ").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_does_not_take_over_changes_nothing() {
    let (cloud, agent, mut terminal) = counter().await;
    for (image, why) in [
        ("counter-v3", "version 3 knows no such state"),
        ("counter-v4", "load failed"),
        ("hello", "to export `save` and `load`"),
    ] {
        let (status, refused) = upgrade(&cloud, &agent, image).await;
        assert_eq!(status, StatusCode::CONFLICT, "{image}: {refused}");
        assert!(refused["detail"].as_str().unwrap().contains(why), "{image}: {refused}");
        let now = cloud.agent(&agent).await;
        assert_eq!((now.status, &now.image_digest), (Status::Running, &agent.image_digest), "{image}");
    }
    terminal.keys("d").await;
    terminal.wait_line("counter version 1: 4").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_of_the_sdk_goes_on_in_its_next_version() {
    let cloud =
        Cloud::with(Setup { images: vec!["tally", "tally-v2", "tally-v3"], ..Setup::default() }).await;
    let agent = cloud.spawn(json!({ "image": "tally" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line("tally version 1 has \"\"").await;
    terminal.keys("ab").await;
    terminal.wait_line("tally version 1: ab").await;
    let (status, upgraded) = upgrade(&cloud, &agent, "tally-v2").await;
    assert_eq!(status, StatusCode::OK, "{upgraded}");
    terminal.wait_line("tally version 2 has \"ab\"").await;
    terminal.keys("!").await;
    terminal.wait_line("tally version 2: ab!").await;
    let (status, refused) = upgrade(&cloud, &agent, "tally-v3").await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    let why = refused["detail"].as_str().unwrap();
    assert!(why.contains("tally version 3 takes no exclamation marks"), "{why}");
    terminal.keys("c").await;
    terminal.wait_line("tally version 2: ab!c").await;
}
