//! Terminal tickets: PASETO v4.public, 30 s, for one agent and one role.
//!
//! A ticket proves what the API granted; that it is used once is the store's
//! [`redeem_ticket`](crate::store::Store::redeem_ticket), by its id. Its expiry is judged by the `now`
//! the caller passes. A browser cannot set headers on a WebSocket, so a ticket travels as a
//! subprotocol: [`to_protocol`] and [`from_protocol`].

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use pasetors::{
    Public,
    keys::{AsymmetricPublicKey, AsymmetricSecretKey},
    token::UntrustedToken,
    version4::{PublicToken, V4},
};
use serde::{Deserialize, Serialize};
use wire::{AgentId, TenantId, access::Role, ids::TicketId, terminal::TICKET_PREFIX};

/// How long a ticket works.
pub const TICKET_LIFE: SignedDuration = SignedDuration::from_secs(30);
/// Longest ticket that is looked at, bytes. One has about 440.
pub const MAX_BYTES: usize = 1024;
/// Longest subprotocol that is looked at, bytes: the prefix and a ticket in base64.
pub const MAX_PROTOCOL_BYTES: usize = TICKET_PREFIX.len() + MAX_BYTES.div_ceil(3) * 4;
/// Signed with every ticket and never sent: a signature over anything else is no ticket.
const CONTEXT: &[u8] = b"openclaw terminal ticket v1";

/// What a ticket grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketClaims {
    /// Its own id: it is used up by this.
    pub id: TicketId,
    /// Whose terminal.
    pub agent: AgentId,
    /// The agent's owner.
    pub tenant: TenantId,
    /// The placement it is for, when it is for one only.
    pub epoch: Option<u64>,
    /// What the socket may do.
    pub role: Role,
    /// Whether attaching wakes a suspended agent.
    pub wake: bool,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// Why a ticket opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Not a ticket at all.
    #[error("not a ticket")]
    Malformed,
    /// It was one.
    #[error("the ticket has expired")]
    Expired,
    /// Not signed by this key, or changed after it was.
    #[error("the ticket is not one of ours")]
    Forged,
}

/// A seed no key can be made from: 32 zero bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ticket key cannot be made from an all-zero seed")]
pub struct InvalidSeed;

/// Signs and verifies tickets.
#[derive(Clone)]
pub struct TicketKey {
    secret: AsymmetricSecretKey<V4>,
    public: AsymmetricPublicKey<V4>,
}

/// The payload: registered PASETO claim names where there are some.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    jti: TicketId,
    sub: AgentId,
    ten: TenantId,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    epoch: Option<u64>,
    role: Role,
    wake: bool,
    exp: Timestamp,
}

impl TicketKey {
    /// From 32 secret bytes.
    ///
    /// # Errors
    /// They are all zero.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, InvalidSeed> {
        let pair = ed25519_compact::KeyPair::try_from_seed((*seed).into()).map_err(|_| InvalidSeed)?;
        Ok(Self {
            secret: AsymmetricSecretKey::from(pair.sk.as_ref()).map_err(|_| InvalidSeed)?,
            public: AsymmetricPublicKey::from(pair.pk.as_ref()).map_err(|_| InvalidSeed)?,
        })
    }

    /// Signs a ticket.
    ///
    /// # Errors
    /// [`TicketError::Malformed`] when it would be longer than [`MAX_BYTES`], which no claims reach.
    pub fn sign(&self, claims: &TicketClaims) -> Result<String, TicketError> {
        let payload = Payload {
            jti: claims.id,
            sub: claims.agent,
            ten: claims.tenant,
            epoch: claims.epoch,
            role: claims.role,
            wake: claims.wake,
            exp: claims.expires_at,
        };
        let payload = serde_json::to_vec(&payload).map_err(|_| TicketError::Malformed)?;
        let ticket = PublicToken::sign(&self.secret, &payload, None, Some(CONTEXT));
        ticket.ok().filter(|text| text.len() <= MAX_BYTES).ok_or(TicketError::Malformed)
    }

    /// What a ticket grants now.
    ///
    /// # Errors
    /// It grants nothing; the signature is judged before the expiry, so only a true ticket is `Expired`.
    pub fn verify(&self, ticket: &str, now: Timestamp) -> Result<TicketClaims, TicketError> {
        if ticket.len() > MAX_BYTES {
            return Err(TicketError::Malformed);
        }
        let untrusted = UntrustedToken::<Public, V4>::try_from(ticket).map_err(|_| TicketError::Malformed)?;
        // The footer is covered by the signature, but ours have none: one text per ticket.
        if ticket.matches('.').count() != 2 {
            return Err(TicketError::Malformed);
        }
        let trusted = PublicToken::verify(&self.public, &untrusted, None, Some(CONTEXT))
            .map_err(|_| TicketError::Forged)?;
        let payload: Payload = serde_json::from_str(trusted.payload()).map_err(|_| TicketError::Malformed)?;
        if payload.exp <= now {
            return Err(TicketError::Expired);
        }
        Ok(TicketClaims {
            id: payload.jti,
            agent: payload.sub,
            tenant: payload.ten,
            epoch: payload.epoch,
            role: payload.role,
            wake: payload.wake,
            expires_at: payload.exp,
        })
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(..)")
    }
}

/// A ticket as the second subprotocol of a WebSocket, `ticket.<base64url>`: the ticket's own text has
/// only characters a subprotocol may have, but clients are promised one opaque word.
#[must_use]
pub fn to_protocol(ticket: &str) -> String {
    format!("{TICKET_PREFIX}{}", URL_SAFE_NO_PAD.encode(ticket))
}

/// The ticket in a subprotocol; `None` when it is another one or too long.
#[must_use]
pub fn from_protocol(protocol: &str) -> Option<String> {
    if protocol.len() > MAX_PROTOCOL_BYTES {
        return None;
    }
    let text = URL_SAFE_NO_PAD.decode(protocol.strip_prefix(TICKET_PREFIX)?).ok()?;
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> TicketClaims {
        TicketClaims {
            id: TicketId::new(),
            agent: AgentId::new(),
            tenant: TenantId::new(),
            epoch: Some(u64::MAX),
            role: Role::Operator,
            wake: true,
            expires_at: Timestamp::UNIX_EPOCH + TICKET_LIFE,
        }
    }

    fn key() -> TicketKey {
        TicketKey::from_seed(&[9; 32]).unwrap()
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_ticket_grants_what_was_signed() {
        for claims in [claims(), TicketClaims { epoch: None, role: Role::Viewer, wake: false, ..claims() }] {
            let ticket = key().sign(&claims).unwrap();
            assert!(ticket.len() <= MAX_BYTES);
            assert_eq!(key().verify(&ticket, NOW), Ok(claims));
        }
    }

    #[test]
    fn it_expires_by_the_given_clock() {
        let claims = claims();
        let ticket = key().sign(&claims).unwrap();
        let just_before = claims.expires_at - SignedDuration::from_nanos(1);
        assert!(key().verify(&ticket, just_before).is_ok());
        assert_eq!(key().verify(&ticket, claims.expires_at), Err(TicketError::Expired));
    }

    #[test]
    fn another_key_and_any_changed_byte_make_it_worthless() {
        let ticket = key().sign(&claims()).unwrap();
        let other = TicketKey::from_seed(&[10; 32]).unwrap();
        assert_eq!(other.verify(&ticket, NOW), Err(TicketError::Forged));
        for at in 0..ticket.len() {
            let mut bytes = ticket.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(key().verify(&changed, NOW).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_signature_made_for_something_else_is_no_ticket() {
        let payload = br#"{"jti":"x"}"#;
        let foreign = PublicToken::sign(&key().secret, payload, None, None).unwrap();
        assert_eq!(key().verify(&foreign, NOW), Err(TicketError::Forged));
        let odd = PublicToken::sign(&key().secret, payload, None, Some(CONTEXT)).unwrap();
        assert_eq!(key().verify(&odd, NOW), Err(TicketError::Malformed));
    }

    #[test]
    fn what_is_not_a_ticket_is_malformed() {
        let ticket = key().sign(&claims()).unwrap();
        for wrong in [
            "",
            "v4.public.",
            "v4.public.AAAA",
            "v4.local.AAAA",
            &format!("{ticket}."),
            &format!("{ticket}.e30"),
            &"A".repeat(MAX_BYTES + 1),
        ] {
            assert_eq!(key().verify(wrong, NOW), Err(TicketError::Malformed), "{wrong:.40}");
        }
    }

    #[test]
    fn it_survives_as_a_subprotocol() {
        let ticket = key().sign(&claims()).unwrap();
        let protocol = to_protocol(&ticket);
        // RFC 6455 subprotocols are RFC 2616 tokens: no separators, no spaces.
        assert!(protocol.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)));
        assert_eq!(from_protocol(&protocol), Some(ticket));
        assert!(to_protocol(&"A".repeat(MAX_BYTES)).len() <= MAX_PROTOCOL_BYTES);
        assert_eq!(from_protocol("openclaw.terminal.v1"), None);
        assert_eq!(from_protocol("ticket.!"), None);
        assert_eq!(from_protocol(&to_protocol(&"A".repeat(MAX_BYTES * 2))), None);
    }

    #[test]
    fn a_zero_seed_is_refused() {
        assert_eq!(TicketKey::from_seed(&[0; 32]).err(), Some(InvalidSeed));
    }
}
