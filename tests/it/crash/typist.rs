//! One who types, and keeps what was typed until it is durable: after every loss it goes on from where the cloud says.

use std::{sync::Arc, time::Duration};

use cloud_tests::{
    Client,
    terminal::{Socket, request},
};
use futures_util::{SinkExt as _, StreamExt as _};
use rand::{Rng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::{connect_async, tungstenite::Message};
use tokio_util::sync::CancellationToken;
use wire::{
    access::Ticket,
    terminal::{ClientControl, From, Header, Kind, ServerControl},
};

use super::{
    load::pause,
    model::{Subject, line},
};

/// Bytes that are typed ahead of what is durable: less than a frame, so that each frame holds whole lines.
const AHEAD: usize = 4096;
/// Longest pause between two lines.
const THINK: Duration = Duration::from_millis(30);

/// Types until told to stop, and then until all of it is durable.
pub(super) async fn work(client: Client, subject: Arc<Subject>, stop: CancellationToken, mut random: StdRng) {
    let mut position = From::SNAPSHOT;
    loop {
        if let Some(socket) = connect(&client, &subject).await {
            let mut sitting =
                Sitting { socket, subject: &subject, position, acknowledged: (0, 0), attached: false };
            let ended = sitting.work(&stop, &mut random).await;
            if ended.is_ok() {
                return;
            }
            // A screen that was half drawn is drawn anew.
            position = if random.random_bool(0.3) { From::SNAPSHOT } else { sitting.position };
        }
        pause(&mut random, 20).await;
    }
}

async fn connect(client: &Client, subject: &Subject) -> Option<Socket> {
    let body = json!({ "role": "operator" });
    let answer = client.request(Method::POST, &subject.path("tickets")).json(&body).send().await;
    let ticket: Ticket = subject.done("ticket", answer).await?.json().await.ok()?;
    let request = request(&ticket.url, &ticket.protocols, Some(&client.url)).unwrap();
    Some(connect_async(request).await.ok()?.0)
}

/// The connection is gone, or was given up.
struct Lost;

struct Sitting<'a> {
    socket: Socket,
    subject: &'a Subject,
    position: From,
    /// As this connection was told: applied and durable.
    acknowledged: (u64, u64),
    attached: bool,
}

impl Sitting<'_> {
    async fn work(&mut self, stop: &CancellationToken, random: &mut StdRng) -> Result<(), Lost> {
        let attach = ClientControl::Attach {
            stream: 0,
            from: self.position,
            input_session: Some("typist".to_owned()),
        };
        self.say(&attach).await?;
        loop {
            let stopped = stop.is_cancelled();
            let (waits, all) = {
                let model = self.subject.model();
                let kept = model.typed.len() - usize::try_from(model.durable).unwrap();
                (kept > AHEAD, kept == 0)
            };
            if stopped && all {
                return Ok(());
            }
            let types = self.attached && !stopped && !waits;
            let think = THINK.mul_f64(random.random());
            tokio::select! {
                message = self.socket.next() => self.hear(message.ok_or(Lost)?.map_err(|_| Lost)?).await?,
                () = tokio::time::sleep(think), if types => {
                    let (at, line) = {
                        let mut model = self.subject.model();
                        let (at, line) = (model.typed.len() as u64, line(model.lines));
                        model.lines += 1;
                        model.typed.extend(line.as_bytes());
                        (at, line)
                    };
                    self.send(at, line.as_bytes()).await?;
                }
                () = stop.cancelled(), if !stopped => {}
            }
        }
    }

    async fn hear(&mut self, message: Message) -> Result<(), Lost> {
        match message {
            Message::Text(text) => match serde_json::from_str(&text).unwrap() {
                ServerControl::Attached { stream: 0, generation, offset, input_seq } => {
                    self.position = From::Position { generation, offset };
                    self.attached = true;
                    self.go_on(input_seq).await
                }
                ServerControl::Rewound { generation, offset, .. } => {
                    self.position = From::Position { generation, offset };
                    Ok(())
                }
                ServerControl::Gap { to, .. } => {
                    if let From::Position { offset, .. } = &mut self.position {
                        *offset = to;
                    }
                    Ok(())
                }
                ServerControl::InputAck { applied, durable } => {
                    self.acknowledged(applied, durable);
                    Ok(())
                }
                _ => Ok(()),
            },
            Message::Binary(frame) => self.see(&frame).await,
            Message::Close(_) => Err(Lost),
            _ => Ok(()),
        }
    }

    /// Sends what the cloud does not have.
    async fn go_on(&mut self, input_seq: u64) -> Result<(), Lost> {
        let rest = {
            let mut model = self.subject.model();
            let typed = model.typed.len() as u64;
            if input_seq < model.durable || input_seq > typed {
                let durable = model.durable;
                model
                    .wrong
                    .push(format!("{input_seq} is expected of {typed} bytes, {durable} of them durable"));
                return Err(Lost);
            }
            model.returns = (model.returns.0 + 1, model.returns.1 + typed - input_seq);
            model.typed[usize::try_from(input_seq).unwrap()..].to_vec()
        };
        if rest.is_empty() { Ok(()) } else { self.send(input_seq, &rest).await }
    }

    fn acknowledged(&mut self, applied: u64, durable: u64) {
        let before = std::mem::replace(&mut self.acknowledged, (applied, durable));
        self.subject.acknowledge(|model| {
            if applied < durable
                || applied < before.0
                || durable < before.1
                || applied > model.typed.len() as u64
            {
                model.wrong.push(format!("acknowledged {before:?}, then {:?}", (applied, durable)));
            }
            model.durable = model.durable.max(durable);
        });
    }

    /// Output comes in its order, each byte once.
    async fn see(&mut self, frame: &[u8]) -> Result<(), Lost> {
        let (header, payload) = Header::decode(frame).unwrap();
        let From::Position { generation, offset } = self.position else { return Ok(()) };
        let next = if header.kind == Kind::Data as u8 {
            if header.offset != offset {
                let wrong = format!("output of {} where {offset} comes next", header.offset);
                self.subject.model().wrong.push(wrong);
            }
            header.offset + payload.len() as u64
        } else {
            header.offset
        };
        self.position = From::Position { generation, offset: next };
        self.say(&ClientControl::Ack { stream: 0, offset: next }).await
    }

    async fn send(&mut self, at: u64, bytes: &[u8]) -> Result<(), Lost> {
        let header = Header { kind: Kind::Input as u8, flags: 0, stream: 0, offset: at };
        self.socket.send(Message::binary(header.frame(bytes))).await.map_err(|_| Lost)
    }

    async fn say(&mut self, control: &ClientControl) -> Result<(), Lost> {
        let text = serde_json::to_string(control).unwrap();
        self.socket.send(Message::text(text)).await.map_err(|_| Lost)
    }
}
