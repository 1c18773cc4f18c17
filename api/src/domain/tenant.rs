//! Tenants, tokens and sessions.

use jiff::Timestamp;
use wire::{TenantId, TokenId, access::Scope};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// For people.
    pub name: String,
    /// Most agents that are not final at once.
    pub max_agents: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whose.
    pub tenant: TenantId,
    /// For people.
    pub name: String,
    /// SHA-256 of the secret part; the secret has 256 random bits, so a slow hash would add nothing.
    pub hash: [u8; 32],
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// A signed-in console, found by the SHA-256 of its cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie's value.
    pub hash: [u8; 32],
    /// Whose.
    pub tenant: TenantId,
    /// The token it came from; revoking that ends it.
    pub token: TokenId,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it stops working.
    pub expires_at: Timestamp,
}
