//! Clients that lag: nobody else notices.

use cloud_tests::{Cloud, Terminal, terminal::request};
use tokio::net::TcpSocket;
use tokio_tungstenite::{MaybeTlsStream, client_async};
use wire::{
    access::Role,
    agent::Agent,
    terminal::{ClientControl, WINDOW_BYTES},
};

use super::{BEGIN, from_begin, hostile, ping};

/// Long enough that a server that went on sending would have sent more.
const A_WHILE: std::time::Duration = std::time::Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_acknowledges_gets_one_window() {
    let cloud = Cloud::start().await;
    let agent = hostile(&cloud, "burst").await;
    let mut idle = from_begin(&cloud, &agent, Role::Viewer).await;
    idle.acks = false;
    let mut operator = cloud.terminal(&agent).await;
    operator.keys("x").await;
    // Neither the agent nor the other client waits for it.
    operator.wait_line("done").await;
    idle.receive_for(A_WHILE).await;
    assert!(idle.data.len() as u64 <= WINDOW_BYTES, "{}", idle.data.len());
    assert!(idle.position.1 < operator.position.1, "{:?}", idle.position);
    // It is not disconnected for being slow, and sees the present screen once it is not.
    ping(&mut idle).await;
    idle.acks = true;
    idle.send(&ClientControl::Ack { stream: 0, offset: idle.position.1 }).await;
    idle.wait_line("done").await;
    assert_eq!(idle.screen(), operator.screen());
}

/// A socket over a connection that takes as little as the kernel allows.
async fn narrow(cloud: &Cloud, agent: &Agent) -> Terminal {
    let ticket = cloud.ticket(agent, Role::Viewer).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = cloud.url.strip_prefix("http://").unwrap().parse().unwrap();
    let stream = MaybeTlsStream::Plain(socket.connect(address).await.unwrap());
    let request = request(&ticket.url, &ticket.protocols, Some(&cloud.url)).unwrap();
    Terminal::over(client_async(request, stream).await.unwrap().0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_stalls_nobody() {
    const MUCH: u64 = 8 << 20;
    let cloud = Cloud::start().await;
    let agent = hostile(&cloud, "flood").await;
    let mut deaf = narrow(&cloud, &agent).await;
    deaf.attach_at(BEGIN, None).await;
    let mut viewer = from_begin(&cloud, &agent, Role::Viewer).await;
    let mut operator = from_begin(&cloud, &agent, Role::Operator).await;
    operator.wait("ready").await;
    operator.keys("x").await;
    // From here on `deaf` is not read.
    operator.wait_for("more of the flood", |terminal| terminal.position.1 > MUCH).await;
    viewer.wait_for("more of the flood", |terminal| terminal.position.1 > MUCH).await;
    assert_eq!(deaf.closed, None);
    // Still there: it reads again and gets on.
    deaf.wait_for("more of the flood", |terminal| terminal.position.1 > MUCH).await;
}
