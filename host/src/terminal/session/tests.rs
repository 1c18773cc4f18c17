use axum::{Router, extract::WebSocketUpgrade, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::agent::state::tests::shared;

/// Opens a socket by hand, so that nothing answers pings, and reads up to its `hello`.
async fn silent_client(agent: &Arc<Shared>) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let agent = agent.clone();
    let open = get(move |upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(move |socket| run(socket, agent, Role::Operator))
    });
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", open)).await });
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("hello") {
        assert_ne!(client.read_buf(&mut seen).await.unwrap(), 0, "closed before its hello");
    }
    client
}

/// A client whose network is gone says nothing and is told nothing: after a minute it is not there any more.
#[tokio::test(start_paused = true)]
async fn a_half_open_socket_is_forgotten() {
    let agent = shared();
    let client = silent_client(&agent).await;
    let mut presence = agent.presence();
    assert_eq!(presence.borrow().operators, 1);
    let begun = Instant::now();
    presence.wait_for(|presence| presence.operators == 0).await.unwrap();
    let waited = begun.elapsed().as_secs();
    assert!((DEAD_SECONDS..=DEAD_SECONDS + PING_SECONDS).contains(&waited), "{waited} s");
    drop(client);
}
