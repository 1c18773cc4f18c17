//! Tokens, tickets and console sessions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{TenantId, TokenId};

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// Read agents, their logs and files.
    #[serde(rename = "agents:read")]
    AgentsRead,
    /// Spawn agents.
    #[serde(rename = "agents:spawn")]
    AgentsSpawn,
    /// Change and delete agents and their files.
    #[serde(rename = "agents:write")]
    AgentsWrite,
    /// Open terminals.
    #[serde(rename = "terminal")]
    Terminal,
    /// See and upload images.
    #[serde(rename = "images")]
    Images,
    /// Read receipts.
    #[serde(rename = "audit")]
    Audit,
    /// See hosts, make and revoke tokens.
    #[serde(rename = "operator")]
    Operator,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 7] = [
        Self::AgentsRead,
        Self::AgentsSpawn,
        Self::AgentsWrite,
        Self::Terminal,
        Self::Images,
        Self::Audit,
        Self::Operator,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentsRead => "agents:read",
            Self::AgentsSpawn => "agents:spawn",
            Self::AgentsWrite => "agents:write",
            Self::Terminal => "terminal",
            Self::Images => "images",
            Self::Audit => "audit",
            Self::Operator => "operator",
        }
    }
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whose agents it reaches.
    pub tenant: TenantId,
    /// For people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<Timestamp>,
}

/// The body of `POST /v1/tokens`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// For people, at most 128 bytes.
    pub name: String,
    /// At least one, and none the caller's own token lacks.
    pub scopes: Vec<Scope>,
    /// Seconds until it stops working; absent is never.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_in_seconds: Option<u32>,
}

/// A token with its secret: shown once, when it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedToken {
    /// The token.
    #[serde(flatten)]
    pub token: Token,
    /// `claw_live_<id>_<secret>`: only its hash is stored.
    pub secret: String,
}

/// What a socket may do to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Sees and types.
    #[default]
    Operator,
}

/// The body of `POST /v1/agents/{id}/tickets`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewTicket {
    /// What the socket may do.
    pub role: Role,
    /// Whether attaching wakes a suspended agent.
    pub wake: bool,
}

/// Opens one WebSocket, once, within 30 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ticket {
    /// PASETO v4.public.
    pub ticket: String,
    /// The WebSocket's address: the API's, or the host's where hosts are reachable.
    pub url: String,
    /// What to pass as the second argument of `new WebSocket`.
    pub protocols: Vec<String>,
    /// 30 s after it was made.
    pub expires_at: Timestamp,
    /// What the socket may do.
    pub role: Role,
    /// Whether attaching wakes a suspended agent.
    pub wake: bool,
}

/// The body of `POST /v1/session`: exactly one of the two. The answer sets an HttpOnly cookie.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SignIn {
    /// The one-time code of the address `claw up` prints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// An API token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// Whose agents it reaches.
    pub tenant: TenantId,
    /// The tenant's name.
    pub tenant_name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When the cookie stops working.
    pub expires_at: Timestamp,
}
