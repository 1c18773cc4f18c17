//! Attacks that break the attacker's own component: the event fails, the agent goes back and on.

use cloud_tests::Cloud;
use wire::agent::Status;

use super::{Neighbour, assert_alive, hostile};

async fn assert_set_aside(attack: &str, shown: &str) {
    let cloud = Cloud::start().await;
    let mut neighbour = Neighbour::beside(&cloud).await;
    let (agent, mut terminal) = hostile(&cloud, attack).await;
    terminal.keys("x").await;
    neighbour.assert_prompt().await;
    // Tried twice, then set aside; the terminal says why, and so does the log.
    terminal.wait("is set aside]").await;
    assert!(terminal.screen().contains(shown), "{}", terminal.screen());
    assert!(terminal.screen().contains("in typed input"), "{}", terminal.screen());
    let logs = cloud.request(reqwest::Method::GET, &format!("/v1/agents/{}/logs", agent.id));
    let logs = logs.send().await.unwrap().text().await.unwrap();
    assert!(logs.contains("is tried once more") && logs.contains("is set aside"), "{logs}");
    assert_eq!(cloud.agent(&agent).await.status, Status::Running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_fails_the_event_and_not_the_agent() {
    assert_set_aside("trap", "[trapped in").await;
}

/// Its timer is in the checkpoint it goes back to, and still does not end again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_that_breaks_its_agent_is_set_aside_for_good() {
    let cloud = Cloud::start().await;
    let (agent, mut terminal) = hostile(&cloud, "trap-later").await;
    terminal.run("x").await;
    terminal.wait_line("not yet").await;
    let (status, taken) = cloud.act(&agent, "checkpoints", &serde_json::Value::Null).await;
    assert!(status.is_success(), "{taken}");
    terminal.wait("in the end of an operation").await;
    terminal.wait("is set aside]").await;
    assert_alive(&cloud, &agent, &mut terminal).await;
    let logs = cloud.request(reqwest::Method::GET, &format!("/v1/agents/{}/logs", agent.id));
    let logs = logs.send().await.unwrap().text().await.unwrap();
    assert_eq!(logs.matches("is tried once more").count(), 1, "{logs}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_recursion_fails_the_event_and_not_the_agent() {
    assert_set_aside("stack", "stack").await;
}
