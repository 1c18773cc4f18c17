//! How sockets end.

use cloud_tests::{Cloud, Terminal};
use wire::{
    agent::{Status, StatusReason},
    terminal::{ServerControl, close},
};

use super::{hello, hostile, with_token};

#[tokio::test]
async fn a_deleted_agent_closes_its_sockets() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut terminal = cloud.terminal(&agent).await;
    cloud.end(&agent).await;
    let exit = ServerControl::Exit { status: Status::Terminated, reason: Some(StatusReason::UserRequest) };
    terminal.wait_control(|message| (*message == exit).then_some(())).await;
    assert_eq!(terminal.wait_close().await, close::ENDED);
    cloud.wait_for(&agent, |now| now.status == Status::Terminated).await;
    let mut late = Terminal::open(with_token(&cloud, agent.id)).await.unwrap();
    assert_eq!(late.wait_close().await, close::TERMINATED);
}

#[tokio::test]
async fn an_agent_that_traps_says_so_on_the_screen_and_its_sockets_are_rewound() {
    let cloud = Cloud::start().await;
    let agent = hostile(&cloud, "trap").await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line("ready").await;
    let (before, _) = terminal.position;
    terminal.keys("x").await;
    let rewound = terminal.wait_control(|message| match message {
        ServerControl::Rewound { generation, .. } => Some(*generation),
        _ => None,
    });
    assert!(rewound.await > before);
    terminal.wait("is set aside]").await;
    assert_eq!(cloud.agent(&agent).await.status, Status::Running);
}

#[tokio::test]
async fn a_planned_stop_of_the_host_tells_clients_to_come_back() {
    let mut cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut terminal = cloud.terminal(&agent).await;
    let told = async {
        let epoch = terminal.wait_control(|message| match message {
            ServerControl::Moved { epoch, .. } => Some(*epoch),
            _ => None,
        });
        let epoch = epoch.await;
        (epoch, terminal.wait_close().await)
    };
    let ((), told) = tokio::join!(cloud.stop_host(), told);
    assert_eq!(told, (agent.epoch + 1, close::MOVING));
}
