//! Prefixed ULIDs (`agt_01J…`) and image digests (`sha256:…`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de::Error as _};
use ulid::Ulid;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId {
    /// What was expected, such as `agt_ and a ULID`.
    pub expected: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an id: expected {}", self.expected)
    }
}

impl std::error::Error for InvalidId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// The text before the ULID.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, ordered by its time of creation.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "a default that differs each time would mislead")]
            pub fn new() -> Self {
                Self(Ulid::generate())
            }

            /// An id from its number, as binary formats hold it.
            #[must_use]
            pub fn from_u128(value: u128) -> Self {
                Self(Ulid(value))
            }

            /// Its number.
            #[must_use]
            pub fn as_u128(self) -> u128 {
                self.0.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                const EXPECTED: InvalidId = InvalidId { expected: concat!($prefix, " and a ULID") };
                let rest = text.strip_prefix($prefix).ok_or(EXPECTED)?;
                let ulid = Ulid::from_string(rest).map_err(|_| EXPECTED)?;
                // One text per id: lower case and overflowing forms are refused.
                if ulid.to_string() == rest { Ok(Self(ulid)) } else { Err(EXPECTED) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'_, str>::deserialize(d)?.parse().map_err(D::Error::custom)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "[0-9A-HJKMNP-TV-Z]{26}$")))
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    };
}

id!(/** An agent. */ AgentId, "agt_");
id!(/** A host process, for as long as its row lives. */ HostId, "hst_");
id!(/** One start of a host process: a restarted host has a new one and cannot renew an old lease. */ Incarnation, "inc_");
id!(/** A tenant. */ TenantId, "ten_");
id!(/** An API token (not its secret). */ TokenId, "tok_");
id!(/** One request, in answers and logs. */ RequestId, "req_");
id!(/** A terminal ticket. */ TicketId, "tkt_");
id!(/** A checkpoint of an agent. */ CheckpointId, "chk_");
id!(/** An object that holds checkpoints. */ PackId, "pck_");
id!(/** A message to an agent. */ MessageId, "msg_");

/// The SHA-256 of an image's component, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// The digest written as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 64 hexadecimal digits: safe as a file name.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// The raw 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        let hex = self.hex().as_bytes();
        let digit = |c: u8| if c.is_ascii_digit() { c - b'0' } else { c - b'a' + 10 };
        std::array::from_fn(|i| digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]))
    }

    /// From the raw 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const EXPECTED: InvalidId = InvalidId { expected: "sha256: and 64 lower-case hexadecimal digits" };
        let hex = text.strip_prefix("sha256:").ok_or(EXPECTED)?;
        let valid = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid { Ok(Self(text.to_owned())) } else { Err(EXPECTED) }
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'_, str>::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Digest {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^sha256:[0-9a-f]{64}$"))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Digest {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_other_kinds_are_refused() {
        let id = AgentId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(HostId::new().to_string().parse::<AgentId>().is_err());
        assert!(id.to_string().to_lowercase().parse::<AgentId>().is_err());
        assert!("agt_".parse::<AgentId>().is_err());
    }

    #[test]
    fn a_digest_is_exact() {
        let digest = Digest::from_bytes([0xab; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest.clone()));
        assert_eq!(digest.hex().len(), 64);
        assert_eq!(digest.to_bytes(), [0xab; 32]);
        assert!("sha256:../../etc/passwd".parse::<Digest>().is_err());
        assert!(digest.to_string().to_uppercase().parse::<Digest>().is_err());
    }
}
