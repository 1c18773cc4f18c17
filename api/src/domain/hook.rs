//! Webhooks.

use jiff::Timestamp;

/// A webhook without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// What the agent is told as the sender.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}
