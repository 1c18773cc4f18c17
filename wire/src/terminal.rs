//! The WebSocket protocol `openclaw.terminal.v1`.
//!
//! Text frames are JSON control ([`ServerControl`], [`ClientControl`]); binary frames are a 12-byte
//! [`Header`] and a payload. Unknown kinds and types are ignored, malformed ones close with
//! [`close::BAD_FRAME`].

use serde::{Deserialize, Serialize};

use crate::{
    AgentId,
    access::Role,
    agent::{Status, StatusReason},
    problem::Problem,
};

/// The subprotocol a client offers and the server echoes.
pub const PROTOCOL: &str = "openclaw.terminal.v1";
/// A ticket is offered as a second subprotocol behind this prefix, base64url without padding.
pub const TICKET_PREFIX: &str = "ticket.";
/// Bytes of a binary frame before its payload.
pub const HEADER_BYTES: usize = 12;
/// Longest payload of a binary frame.
pub const MAX_PAYLOAD: usize = 16 * 1024;
/// Longest text frame.
pub const MAX_CONTROL_BYTES: usize = 4 * 1024;
/// What a server sends before the client acknowledges, bytes.
pub const WINDOW_BYTES: u64 = 256 * 1024;
/// Input sessions an agent remembers.
pub const MAX_INPUT_SESSIONS: usize = 64;
/// Longest name of an input session, bytes.
pub const MAX_INPUT_SESSION_BYTES: usize = 64;
/// Narrowest and widest terminal, cells. A wide character needs two.
pub const COLS: std::ops::RangeInclusive<u16> = 2..=500;
/// Lowest and highest terminal, cells; with [`COLS`] the bound of what clearing a screen costs.
pub const ROWS: std::ops::RangeInclusive<u16> = 1..=200;
/// The server pings this often, seconds.
pub const PING_SECONDS: u64 = 20;
/// Silence after which a socket is dead, seconds.
pub const DEAD_SECONDS: u64 = 60;

/// The stream of the terminal.
pub const STREAM_TERMINAL: u16 = 0;
/// The stream of the log: JSON lines.
pub const STREAM_LOG: u16 = 1;

/// Close codes, and what a client does about them.
pub mod close {
    /// Ended as asked. Stop.
    pub const ENDED: u16 = 1000;
    /// The edge restarts. Retry now.
    pub const RESTART: u16 = 1012;
    /// Malformed frame. Stop: it is a bug.
    pub const BAD_FRAME: u16 = 4400;
    /// Ticket missing, expired, used or forged. Retry with a new one.
    pub const TICKET: u16 = 4401;
    /// The role does not allow it. Stop.
    pub const ROLE: u16 = 4403;
    /// No such agent. Stop.
    pub const UNKNOWN: u16 = 4404;
    /// The agent moved. Retry now.
    pub const EPOCH: u16 = 4409;
    /// The agent has ended. Stop.
    pub const TERMINATED: u16 = 4410;
    /// Too much. Retry later.
    pub const RATE: u16 = 4429;
    /// The agent is moving. Retry later.
    pub const MOVING: u16 = 4503;
}

/// Kinds of binary frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Server: bytes of a stream, the first at `offset`.
    Data = 0x01,
    /// Server: the parsed screen as VT bytes, valid at `offset`.
    Snapshot = 0x02,
    /// Client: typed bytes, the first at input sequence `offset`.
    Input = 0x11,
}

/// On a [`Kind::Snapshot`]: more of the same snapshot follows.
pub const FLAG_MORE: u8 = 1;

/// The head of a binary frame, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// See [`Kind`]; unknown ones are ignored by a receiver.
    pub kind: u8,
    /// See [`FLAG_MORE`].
    pub flags: u8,
    /// [`STREAM_TERMINAL`] or [`STREAM_LOG`].
    pub stream: u16,
    /// Of the first byte of the payload.
    pub offset: u64,
}

/// A binary frame that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadFrame {
    /// Shorter than a header.
    Short,
    /// A payload over [`MAX_PAYLOAD`].
    Long,
}

impl std::fmt::Display for BadFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short => write!(f, "frame shorter than its {HEADER_BYTES}-byte header"),
            Self::Long => write!(f, "payload over {MAX_PAYLOAD} bytes"),
        }
    }
}

impl std::error::Error for BadFrame {}

impl Header {
    /// The header as bytes.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = self.kind;
        bytes[1] = self.flags;
        bytes[2..4].copy_from_slice(&self.stream.to_be_bytes());
        bytes[4..].copy_from_slice(&self.offset.to_be_bytes());
        bytes
    }

    /// A whole frame: header and payload in one buffer.
    #[must_use]
    pub fn frame(self, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
        frame.extend_from_slice(&self.encode());
        frame.extend_from_slice(payload);
        frame
    }

    /// Splits a frame.
    ///
    /// # Errors
    /// [`BadFrame`] when it is shorter than a header or its payload is over the bound.
    pub fn decode(frame: &[u8]) -> Result<(Self, &[u8]), BadFrame> {
        let (head, payload) = frame.split_first_chunk::<HEADER_BYTES>().ok_or(BadFrame::Short)?;
        if payload.len() > MAX_PAYLOAD {
            return Err(BadFrame::Long);
        }
        let [kind, flags, s0, s1, o @ ..] = *head;
        let header =
            Self { kind, flags, stream: u16::from_be_bytes([s0, s1]), offset: u64::from_be_bytes(o) };
        Ok((header, payload))
    }
}

/// A stream as `hello` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// [`STREAM_TERMINAL`] or [`STREAM_LOG`].
    pub id: u16,
    /// `terminal` or `log`.
    pub kind: String,
    /// Grows when a rollback truncates the stream.
    pub generation: u64,
    /// Offset after the last byte.
    pub head: u64,
    /// Offset of the oldest byte still kept.
    pub tail: u64,
    /// Terminal only: width in cells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cols: Option<u16>,
    /// Terminal only: height in cells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u16>,
}

/// Where a client wants to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum From {
    /// After what it has.
    Position {
        /// Of the stream it saw.
        generation: u64,
        /// The first byte it does not have.
        offset: u64,
    },
    /// From the present screen.
    Snapshot(SnapshotWord),
}

/// The word `"snapshot"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotWord {
    /// The word itself.
    Snapshot,
}

impl From {
    /// From the present screen.
    pub const SNAPSHOT: Self = Self::Snapshot(SnapshotWord::Snapshot);
}

/// What a server says in text frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerControl {
    /// The first frame.
    Hello {
        /// Whose terminal it is.
        agent_id: AgentId,
        /// Of its placement.
        epoch: u64,
        /// Of the agent.
        status: Status,
        /// Of this socket.
        role: Role,
        /// What can be attached.
        streams: Vec<StreamInfo>,
        /// [`WINDOW_BYTES`].
        window_bytes: u64,
    },
    /// The answer to `attach`.
    Attached {
        /// Which.
        stream: u16,
        /// Of the stream now.
        generation: u64,
        /// The first byte that will be sent; for a snapshot, the offset it is valid at.
        offset: u64,
        /// The next input sequence the server expects of this input session.
        input_seq: u64,
    },
    /// Bytes were dropped before this client got them.
    Gap {
        /// Which.
        stream: u16,
        /// First byte missing.
        from: u64,
        /// First byte not missing.
        to: u64,
    },
    /// A rollback truncated the stream; a snapshot follows.
    Rewound {
        /// Which.
        stream: u16,
        /// The new one.
        generation: u64,
        /// The offset it was truncated to.
        offset: u64,
    },
    /// The agent's status changed.
    Status {
        /// The new one.
        status: Status,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<StatusReason>,
        /// One sentence more.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        detail: Option<String>,
    },
    /// The terminal has a new size.
    Resized {
        /// Width in cells.
        cols: u16,
        /// Height in cells.
        rows: u16,
    },
    /// How many sockets are attached.
    Presence {
        /// That may type.
        operators: u32,
        /// That only see.
        viewers: u32,
    },
    /// How far this input session's input went.
    InputAck {
        /// Delivered to the agent up to here.
        applied: u64,
        /// Survives a crash up to here.
        durable: u64,
    },
    /// The agent is moving; connect again.
    Moved {
        /// Of the new placement.
        epoch: u64,
        /// When to try.
        retry_after_ms: u64,
    },
    /// The agent ended.
    Exit {
        /// How.
        status: Status,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<StatusReason>,
    },
    /// The answer to `ping`.
    Pong {},
    /// Something was refused.
    Problem {
        /// What.
        problem: Problem,
    },
}

/// What a client says in text frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientControl {
    /// Begin a stream, or begin again.
    Attach {
        /// Which.
        stream: u16,
        /// Where.
        from: From,
        /// A random name the client keeps across reconnects; input sequences count per session.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        input_session: Option<String>,
    },
    /// Rendered up to here: gives credit back.
    Ack {
        /// Which.
        stream: u16,
        /// First byte not yet rendered.
        offset: u64,
    },
    /// The client's window has a new size.
    Resize {
        /// Width in cells.
        cols: u16,
        /// Height in cells.
        rows: u16,
    },
    /// Asks for a `pong`.
    Ping {},
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_reads_back(kind: u8, flags: u8, stream: u16, offset: u64, payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let header = Header { kind, flags, stream, offset };
            let frame = header.frame(&payload);
            prop_assert_eq!(Header::decode(&frame), Ok((header, payload.as_slice())));
        }

        #[test]
        fn no_bytes_break_the_decoder(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let decoded = Header::decode(&bytes);
            prop_assert_eq!(decoded.is_err(), bytes.len() < HEADER_BYTES);
        }
    }

    #[test]
    fn a_long_payload_is_refused() {
        let header = Header { kind: 1, flags: 0, stream: 0, offset: 0 };
        assert_eq!(Header::decode(&header.frame(&vec![0; MAX_PAYLOAD + 1])), Err(BadFrame::Long));
    }

    #[test]
    fn control_frames_are_written_as_documented() {
        let attach: ClientControl =
            serde_json::from_str(r#"{"type":"attach","stream":0,"from":"snapshot","input_session":"a"}"#)
                .unwrap();
        assert_eq!(
            attach,
            ClientControl::Attach { stream: 0, from: From::SNAPSHOT, input_session: Some("a".to_owned()) }
        );
        let attach: ClientControl =
            serde_json::from_str(r#"{"type":"attach","stream":1,"from":{"generation":2,"offset":9}}"#)
                .unwrap();
        let from = From::Position { generation: 2, offset: 9 };
        assert_eq!(attach, ClientControl::Attach { stream: 1, from, input_session: None });
    }
}
