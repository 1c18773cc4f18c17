//! A terminal client that can be asserted on: it keeps the screen as a browser would, and checks
//! with every frame that bytes come in order, once.

use std::{collections::VecDeque, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};
use wire::terminal::{ClientControl, FLAG_MORE, From, Header, Kind, MAX_PAYLOAD, STREAM_LOG, ServerControl};

use crate::cloud::PATIENCE;

/// A client's upgrade request.
pub type Request = tungstenite::handshake::client::Request;
/// A client's side of a socket.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An upgrade request that offers `protocols`.
///
/// # Errors
/// When a header cannot be made of them.
pub fn request(url: &str, protocols: &[String], origin: Option<&str>) -> Result<Request, tungstenite::Error> {
    let mut request = url.into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", protocols.join(", ").parse()?);
    if let Some(origin) = origin {
        headers.insert("origin", origin.parse()?);
    }
    Ok(request)
}

/// See the module.
pub struct Terminal {
    socket: Socket,
    screen: vt100::Parser,
    snapshot: Option<Vec<u8>>,
    /// Of the terminal stream: (generation, next byte).
    pub position: (u64, u64),
    /// Next input sequence.
    pub sent: u64,
    /// As the server last acknowledged.
    pub applied: u64,
    /// Bytes of the terminal since the attach, without snapshots.
    pub data: Vec<u8>,
    /// Offset and length of each frame of `data`.
    pub frames: Vec<(u64, usize)>,
    /// Bytes of the log stream.
    pub log: Vec<u8>,
    /// Snapshots received.
    pub snapshots: usize,
    /// Control frames received, oldest first.
    pub control: VecDeque<ServerControl>,
    /// How the server closed it: code and reason.
    pub closed: Option<(u16, String)>,
    /// Whether rendered bytes are acknowledged.
    pub acks: bool,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("position", &self.position).field("closed", &self.closed).finish()
    }
}

impl Terminal {
    /// Opens a socket, offering `protocols`.
    ///
    /// # Errors
    /// When it is not upgraded.
    pub async fn connect(
        url: &str,
        protocols: &[String],
        origin: Option<&str>,
    ) -> Result<Self, tungstenite::Error> {
        Self::open(request(url, protocols, origin)?).await
    }

    /// Opens a socket with an upgrade request of any kind.
    ///
    /// # Errors
    /// When it is not upgraded.
    pub async fn open(request: Request) -> Result<Self, tungstenite::Error> {
        let (socket, _) = connect_async(request).await?;
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_nodelay(true)?;
        }
        Ok(Self::over(socket))
    }

    /// Over a socket that is open.
    #[must_use]
    pub fn over(socket: Socket) -> Self {
        let (rows, cols) = (24.try_into().unwrap(), 80.try_into().unwrap());
        Self {
            socket,
            screen: vt100::Parser::new(rows, cols, 0),
            snapshot: None,
            position: (0, 0),
            sent: 0,
            applied: 0,
            data: Vec::new(),
            frames: Vec::new(),
            log: Vec::new(),
            snapshots: 0,
            control: VecDeque::new(),
            closed: None,
            acks: true,
        }
    }

    /// Vanishes: the connection is reset, with no word of closing.
    pub fn vanish(self) {
        if let MaybeTlsStream::Plain(stream) = self.socket.get_ref() {
            stream.set_zero_linger().unwrap();
        }
    }

    /// Attaches to the present screen with an input session.
    pub async fn attach(&mut self, session: &str) {
        self.attach_at(From::SNAPSHOT, Some(session)).await;
    }

    /// Attaches anywhere; returns when the server answered.
    pub async fn attach_at(&mut self, from: From, session: Option<&str>) {
        self.send(&ClientControl::Attach { stream: 0, from, input_session: session.map(str::to_owned) })
            .await;
        let attached = self.wait_control(|message| match message {
            ServerControl::Attached { stream: 0, generation, offset, input_seq } => {
                Some((*generation, *offset, *input_seq))
            }
            _ => None,
        });
        let (_, _, input_seq) = attached.await;
        self.sent = input_seq;
    }

    /// Sends a control frame.
    pub async fn send(&mut self, message: &ClientControl) {
        self.send_raw(Message::text(serde_json::to_string(message).unwrap())).await;
    }

    /// Sends any frame.
    pub async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Types.
    pub async fn keys(&mut self, text: impl AsRef<[u8]>) {
        for piece in text.as_ref().chunks(MAX_PAYLOAD) {
            let header = Header { kind: Kind::Input as u8, flags: 0, stream: 0, offset: self.sent };
            self.sent += piece.len() as u64;
            self.send_raw(Message::binary(header.frame(piece))).await;
        }
    }

    /// Types a line and presses Enter.
    pub async fn run(&mut self, line: &str) {
        self.keys(format!("{line}\r")).await;
    }

    /// The screen as text, without trailing spaces.
    #[must_use]
    pub fn screen(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits until the screen satisfies `wanted`.
    ///
    /// # Panics
    /// With the screen, when it does not within the patience of the tests.
    pub async fn wait_until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        self.wait_for(what, |terminal| wanted(&terminal.screen())).await;
    }

    /// Waits until anything about this client is as wanted.
    ///
    /// # Panics
    /// As [`Self::wait_until`].
    pub async fn wait_for(&mut self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !wanted(self) {
            match tokio::time::timeout_at(deadline, self.receive()).await {
                Ok(true) => {}
                Ok(false) => panic!("closed ({:?}) before {what}:\n{}", self.closed, self.screen()),
                Err(_) => panic!("no {what} on the screen:\n{}", self.screen()),
            }
        }
    }

    /// Waits until a text is on the screen.
    pub async fn wait(&mut self, text: &str) {
        self.wait_until(&format!("{text:?}"), |screen| screen.contains(text)).await;
    }

    /// Waits for a line that is exactly this text.
    pub async fn wait_line(&mut self, text: &str) {
        self.wait_until(&format!("line {text:?}"), |screen| {
            screen.lines().any(|line| line.trim_end() == text)
        })
        .await;
    }

    /// Waits for a control frame.
    pub async fn wait_control<T>(&mut self, wanted: impl Fn(&ServerControl) -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.control.iter().position(|message| wanted(message).is_some()) {
                return self.control.remove(at).and_then(|message| wanted(&message)).unwrap();
            }
            match tokio::time::timeout_at(deadline, self.receive()).await {
                Ok(true) => {}
                Ok(false) => {
                    panic!("closed ({:?}) before the control frame; had {:?}", self.closed, self.control)
                }
                Err(_) => panic!("no such control frame; had {:?}", self.control),
            }
        }
    }

    /// Waits until the server closes; its code.
    pub async fn wait_close(&mut self) -> u16 {
        let waiting = async { while self.receive().await {} };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the server did not close");
        self.closed.as_ref().map_or(0, |(code, _)| *code)
    }

    /// Receives what comes for a while; for tests of what does not come.
    pub async fn receive_for(&mut self, duration: Duration) {
        let deadline = tokio::time::Instant::now() + duration;
        while let Ok(true) = tokio::time::timeout_at(deadline, self.receive()).await {}
    }

    /// Receives one message; false when the socket is closed.
    pub async fn receive(&mut self) -> bool {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let message: ServerControl = serde_json::from_str(&text).unwrap();
                self.on_control(message);
                true
            }
            Some(Ok(Message::Binary(frame))) => {
                self.on_frame(&frame).await;
                true
            }
            Some(Ok(Message::Close(frame))) => {
                self.closed = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                false
            }
            Some(Ok(_)) => true,
            Some(Err(_)) | None => false,
        }
    }

    fn on_control(&mut self, message: ServerControl) {
        match &message {
            ServerControl::Attached { stream: 0, generation, offset, .. } => {
                self.position = (*generation, *offset)
            }
            ServerControl::InputAck { applied, durable } => {
                assert!(
                    durable <= applied && *applied >= self.applied,
                    "acknowledged backwards: {message:?}"
                );
                self.applied = *applied;
            }
            _ => {}
        }
        self.control.push_back(message);
    }

    async fn on_frame(&mut self, frame: &[u8]) {
        let (header, payload) = Header::decode(frame).unwrap();
        if header.stream == STREAM_LOG {
            self.log.extend_from_slice(payload);
            return;
        }
        if header.kind == Kind::Data as u8 {
            assert_eq!(header.offset, self.position.1, "a byte came twice or not at all");
            self.frames.push((header.offset, payload.len()));
            self.position.1 += payload.len() as u64;
            self.data.extend_from_slice(payload);
            self.screen.process(payload);
        } else if header.kind == Kind::Snapshot as u8 {
            let snapshot = self.snapshot.get_or_insert_default();
            snapshot.extend_from_slice(payload);
            if header.flags & FLAG_MORE == 0 {
                let (rows, cols) = self.screen.screen().size();
                self.screen = vt100::Parser::new(rows, cols, 0);
                self.screen.process(&self.snapshot.take().unwrap());
                self.position.1 = header.offset;
                self.snapshots += 1;
            }
        }
        if self.acks {
            // The server may have closed already; its close frame says why.
            let ack = ClientControl::Ack { stream: 0, offset: self.position.1 };
            let _ = self.socket.send(Message::text(serde_json::to_string(&ack).unwrap())).await;
        }
    }
}
