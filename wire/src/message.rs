//! Messages to agents, and what of them crosses between API and host.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AgentId, MessageId};

/// Longest body of a message, bytes.
pub const MAX_MESSAGE_BYTES: usize = 128 * 1024;
/// Longest content type, bytes.
pub const MAX_CONTENT_TYPE_BYTES: usize = 128;
/// Messages that may wait for one agent.
pub const MAX_INBOX: u32 = 1024;
/// Bytes of bodies that may wait for one agent.
pub const MAX_INBOX_BYTES: u64 = 4 << 20;
/// Entries of an inbox a host reads at once.
pub const INBOX_PAGE: usize = 32;
/// Most recipients in a grant.
pub const MAX_RECIPIENTS: usize = 64;

/// Whom an agent may send messages to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// Every agent of its tenant.
    Tenant,
    /// This one.
    #[serde(untagged)]
    Agent(AgentId),
}

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Sender {
    /// `POST …/messages`.
    Api {},
    /// A webhook, by its name.
    Webhook {
        /// As it was made.
        name: String,
    },
    /// Another agent of the tenant.
    Agent {
        /// Which.
        id: AgentId,
    },
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// Its id: the same for the same idempotency key.
    pub id: MessageId,
    /// From whom.
    pub sender: Sender,
    /// As the sender said.
    pub content_type: String,
    /// At most 128 KiB; base64 on the wire.
    #[serde(with = "crate::base64_bytes")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub body: Vec<u8>,
    /// When it became durable.
    pub sent_at: Timestamp,
}

/// The answer to `POST /v1/agents/{id}/messages`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageAccepted {
    /// Its id.
    pub message_id: MessageId,
}

/// The body of `POST /v1/agents/{id}/hooks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HookRequest {
    /// What the agent is told as the sender; 1 to 64 visible ASCII characters, one hook of a name per agent.
    pub name: String,
}

/// A webhook; its address is shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hook {
    /// What the agent is told as the sender.
    pub name: String,
    /// `POST` to it becomes a message. Absent where it is not shown any more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One entry of an agent's inbox, as its host reads it: in the order of `seq`, each until a checkpoint covers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Grows by one for each entry of an agent.
    pub seq: u64,
    /// What it is.
    pub what: Delivered,
}

/// What an inbox holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Delivered {
    /// A message.
    Message {
        /// The message.
        message: Message,
    },
    /// The result of an operation with an outside effect.
    Completion {
        /// Of which timeline of the agent; others are dropped.
        timeline: u64,
        /// Which operation.
        op: u64,
        /// How it ended.
        outcome: Outcome,
    },
}

/// How an operation with an outside effect ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The message is in its recipient's inbox.
    Sent {
        /// Its id.
        message: MessageId,
    },
    /// A request was answered.
    Fetched {
        /// Its status.
        status: u16,
        /// As they came.
        headers: Vec<Header>,
        /// At most [`crate::egress::MAX_BODY_BYTES`].
        #[serde(with = "crate::base64_bytes")]
        body: Vec<u8>,
    },
    /// It did not happen.
    Failed {
        /// Why, for programs.
        #[serde(default)]
        code: FailureCode,
        /// Why, for people.
        reason: String,
        /// Whether it may succeed later.
        retryable: bool,
    },
    /// It left, and whether it took effect is not known.
    Unknown {
        /// Why not.
        reason: String,
    },
}

/// A header of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// In lower case.
    pub name: String,
    /// Any bytes a header may have.
    #[serde(with = "crate::base64_bytes")]
    pub value: Vec<u8>,
}

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// It took too long.
    Timeout,
    /// There was no way there.
    Unreachable,
    /// The far side, or the rules it comes under, said no.
    #[default]
    RefusedByPeer,
    /// The answer is longer than it may be.
    TooLarge,
    /// Too many at once.
    RateLimited,
    /// It makes no sense.
    Invalid,
    /// Not the agent's fault.
    Internal,
}

/// What a host says of an operation it did for an agent, wherever that is by now. What is said first counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    /// Of the placement it was begun in.
    pub epoch: u64,
    /// Of which of the agent's lives.
    pub timeline: u64,
    /// Which operation.
    pub op: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// What a host asks on behalf of an agent: a message to another agent. The result comes through the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// Of the agent's placement.
    pub epoch: u64,
    /// With `op` and the agent the identity of the message: sent again, it is the same message.
    pub timeline: u64,
    /// Which operation.
    pub op: u64,
    /// To whom, as the agent said.
    pub to: String,
    /// As the agent said.
    pub content_type: String,
    /// At most 128 KiB.
    #[serde(with = "crate::base64_bytes")]
    pub body: Vec<u8>,
}
