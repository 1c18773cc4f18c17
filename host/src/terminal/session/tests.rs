use axum::{Router, extract::WebSocketUpgrade, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::agent::state::tests::shared;

/// Opens a socket by hand.
async fn connect(agent: &Arc<Shared>, role: Role) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let agent = agent.clone();
    let open = get(move |upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(move |socket| run(socket, agent, role))
    });
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", open)).await });
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

/// Nothing answers its pings; it has read its `hello`.
async fn silent_client(agent: &Arc<Shared>) -> TcpStream {
    let mut client = connect(agent, Role::Operator).await;
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

/// A client by hand: what it was told, and frames to the server.
struct Client {
    stream: TcpStream,
    seen: Vec<u8>,
    told: Vec<ServerControl>,
}

impl Client {
    async fn open(agent: &Arc<Shared>, role: Role) -> Self {
        let mut client = Self { stream: connect(agent, role).await, seen: Vec::new(), told: Vec::new() };
        let head = b"\r\n\r\n";
        while !client.seen.windows(head.len()).any(|window| window == head) {
            client.read().await;
        }
        let end = client.seen.windows(head.len()).position(|window| window == head).unwrap();
        client.seen.drain(..end + head.len());
        client
    }

    async fn read(&mut self) {
        assert_ne!(self.stream.read_buf(&mut self.seen).await.unwrap(), 0, "closed");
    }

    /// Sends a frame, masked by zeros (RFC 6455, 5.2).
    async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [0x80 | opcode, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
        self.stream.write_all(&[&head, payload].concat()).await.unwrap();
    }

    async fn say(&mut self, control: &ClientControl) {
        self.send(1, serde_json::to_string(control).unwrap().as_bytes()).await;
    }

    async fn attach(&mut self, input_session: Option<&str>) {
        let input_session = input_session.map(str::to_owned);
        self.say(&ClientControl::Attach {
            stream: STREAM_TERMINAL,
            from: wire::terminal::From::SNAPSHOT,
            input_session,
        })
        .await;
        self.hears(|told| matches!(told, ServerControl::Attached { .. })).await;
    }

    async fn types(&mut self, seq: u64, bytes: &[u8]) {
        let header = Header { kind: Kind::Input as u8, flags: 0, stream: STREAM_TERMINAL, offset: seq };
        self.send(2, &header.frame(bytes)).await;
    }

    /// Reads until it is told what is wanted.
    async fn hears(&mut self, wanted: impl Fn(&ServerControl) -> bool) -> ServerControl {
        loop {
            if let Some(at) = self.told.iter().position(&wanted) {
                return self.told.drain(..=at).next_back().unwrap();
            }
            while !self.frame() {
                self.read().await;
            }
        }
    }

    /// Takes a whole frame from what was read; whether there was one.
    fn frame(&mut self) -> bool {
        let [first, short, ..] = self.seen[..] else { return false };
        let (head, length) = match short {
            126 if self.seen.len() < 4 => return false,
            126 => (4, usize::from(u16::from_be_bytes([self.seen[2], self.seen[3]]))),
            short => (2, usize::from(short)),
        };
        if self.seen.len() < head + length {
            return false;
        }
        let frame: Vec<u8> = self.seen.drain(..head + length).skip(head).collect();
        if first & 0xf == 1 {
            self.told.push(serde_json::from_slice(&frame).unwrap());
        }
        true
    }
}

fn live(agent: &Shared, status: Status, moved: bool) {
    agent.set_live(Live { status, reason: None, detail: None, moved });
}

async fn is_wanted(agent: &Shared) -> bool {
    tokio::time::timeout(Duration::from_millis(1), agent.wanted()).await.is_ok()
}

#[tokio::test]
async fn a_key_press_wants_a_parked_agent_and_nothing_else_does() {
    let agent = shared();
    live(&agent, Status::Running, false);
    let mut operator = Client::open(&agent, Role::Operator).await;
    operator.attach(Some("a")).await;
    operator.types(0, b"x").await;
    // What was typed while it ran is handled before it is suspended.
    agent.mailbox.next().await;
    live(&agent, Status::Suspended, false);
    operator.hears(|told| matches!(told, ServerControl::Status { status: Status::Suspended, .. })).await;

    // Viewers, reconnects and windows are not a reason; screen and log are served.
    let mut viewer = Client::open(&agent, Role::Viewer).await;
    viewer.attach(None).await;
    operator.attach(Some("a")).await;
    operator.say(&ClientControl::Resize { cols: 100, rows: 30 }).await;
    operator.hears(|told| matches!(told, ServerControl::Resized { cols: 100, .. })).await;
    assert!(!is_wanted(&agent).await);

    operator.types(1, b"y").await;
    agent.wanted().await;
    // Placed again in place: the sockets stay.
    agent.set_epoch(2);
    live(&agent, Status::Running, false);
    viewer.hears(|told| matches!(told, ServerControl::Status { status: Status::Running, .. })).await;
    live(&agent, Status::Pending, true);
    let moved = operator.hears(|told| matches!(told, ServerControl::Moved { .. })).await;
    assert!(matches!(moved, ServerControl::Moved { epoch: 3, .. }));
}

#[tokio::test]
async fn what_waits_when_an_agent_is_parked_wants_it_back() {
    let agent = shared();
    agent.mailbox.input("a", 0, b"x");
    assert!(!is_wanted(&agent).await);
    live(&agent, Status::Suspended, false);
    assert!(is_wanted(&agent).await);
}

#[tokio::test]
async fn input_is_durable_when_a_checkpoint_is() {
    let agent = shared();
    agent.set_suspendable(true);
    live(&agent, Status::Running, false);
    let mut client = Client::open(&agent, Role::Operator).await;
    client.attach(Some("a")).await;
    client.types(0, b"abc").await;
    let ack =
        |applied, durable| move |told: &ServerControl| *told == ServerControl::InputAck { applied, durable };
    let (inputs, waiting) = loop {
        let captured = agent.capture_input();
        if !captured.1.events.is_empty() {
            break captured;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(waiting.events.len(), 1);
    agent.inputs().applied("a", 3);
    agent.changed();
    client.hears(ack(3, 0)).await;
    // Nothing is applied, and yet there is something to tell.
    agent.mark_durable(&inputs);
    client.hears(ack(3, 3)).await;
    // A client that comes back is told what it need not keep, also after the agent went back.
    agent.inputs().rolled_back(&inputs);
    agent.inputs().applied("a", 3);
    let mut again = Client::open(&agent, Role::Operator).await;
    again.attach(Some("a")).await;
    again.hears(ack(3, 3)).await;
}
