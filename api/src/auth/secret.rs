//! 256 random bits with one text form.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Hexadecimal digits of a secret.
pub const SECRET_DIGITS: usize = 64;

/// A random secret as its owner holds it: 64 lower-case hexadecimal digits. The store keeps
/// [`Secret::hash`] and never this; a slow hash would add nothing to 256 random bits.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A new one, from the operating system's randomness by way of the thread's generator.
    #[must_use]
    pub fn random() -> Self {
        Self(hex::encode(rand::random::<[u8; 32]>()))
    }

    /// From its text; `None` unless it is exactly one's form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let valid =
            text.len() == SECRET_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.to_owned()))
    }

    /// The text: for its owner, once, and for nobody's log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text: what is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// Whether its hash is this one, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, hash: &[u8; 32]) -> bool {
        self.hash().ct_eq(hash).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_no_two_are_alike() {
        let (one, two) = (Secret::random(), Secret::random());
        assert_ne!(one.expose(), two.expose());
        let read = Secret::parse(one.expose()).unwrap();
        assert!(read.matches(&one.hash()));
        assert!(!read.matches(&two.hash()));
    }

    #[test]
    fn only_its_own_form_is_read() {
        let text = Secret::random().expose().to_owned();
        assert!(Secret::parse(&text[1..]).is_none());
        assert!(Secret::parse(&format!("{text}0")).is_none());
        assert!(Secret::parse(&"F".repeat(64)).is_none());
        assert!(Secret::parse(&"é".repeat(32)).is_none());
    }

    #[test]
    fn debug_does_not_show_it() {
        let secret = Secret::random();
        assert!(!format!("{secret:?}").contains(secret.expose()));
    }
}
