//! API tokens: `claw_live_<token id>_<secret>`, sent as `authorization: Bearer`.

use std::fmt;

use wire::TokenId;

use super::secret::Secret;

/// What every token begins with: scanners for leaked secrets look for it.
pub const PREFIX: &str = "claw_live_";
/// Longest text that is looked at, bytes. A token has 105.
pub const MAX_BYTES: usize = 128;

/// A token with its secret, as its owner holds it.
#[derive(Clone)]
pub struct ApiToken {
    id: TokenId,
    secret: Secret,
}

impl ApiToken {
    /// A new one with a new id.
    #[must_use]
    pub fn generate() -> Self {
        Self { id: TokenId::new(), secret: Secret::random() }
    }

    /// From its text; `None` when it cannot be one. Whether it is one, [`Self::matches`] says.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let (id, secret) = text.strip_prefix(PREFIX)?.rsplit_once('_')?;
        Some(Self { id: id.parse().ok()?, secret: Secret::parse(secret)? })
    }

    /// The id to look it up by.
    #[must_use]
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// The whole text: shown once, when it is made.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret.expose())
    }

    /// What is stored instead of the secret.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.secret.hash()
    }

    /// Whether it is the one stored under its id, compared in constant time.
    #[must_use]
    pub fn matches(&self, stored: &[u8; 32]) -> bool {
        self.secret.matches(stored)
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiToken").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_matches_only_its_own_hash() {
        let token = ApiToken::generate();
        let text = token.expose();
        assert!(text.len() <= MAX_BYTES);
        let read = ApiToken::parse(&text).unwrap();
        assert_eq!(read.id(), token.id());
        assert!(read.matches(&token.hash()));
        assert!(!read.matches(&ApiToken::generate().hash()));
    }

    #[test]
    fn what_is_not_a_token_is_not_read() {
        let text = ApiToken::generate().expose();
        for wrong in [
            String::new(),
            "claw_live_".to_owned(),
            "claw_live__".to_owned(),
            text.replace("claw_live_", "claw_test_"),
            text.replace("tok_", "agt_"),
            text.to_uppercase(),
            format!(" {text}"),
            format!("{text}0"),
            format!("{text}{}", "0".repeat(10_000)),
        ] {
            assert!(ApiToken::parse(&wrong).is_none(), "{wrong:.60}");
        }
    }

    #[test]
    fn debug_shows_the_id_only() {
        let token = ApiToken::generate();
        let shown = format!("{token:?}");
        assert!(shown.contains(&token.id().to_string()));
        assert!(!shown.contains(token.secret.expose()));
    }
}
