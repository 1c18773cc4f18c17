//! Who asks, and what they may do.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use wire::{TenantId, TokenId, access::Scope, problem::Code};

use super::App;
use crate::{
    auth::{secret::Secret, token::ApiToken},
    error::Error,
};

/// A token is looked up again after this long: a revocation by another process works by then.
const FRESH: Duration = Duration::from_secs(30);
/// Tokens remembered at most; beyond that the remembered ones are dropped.
const CAPACITY: usize = 4096;

/// Somebody with a token or a session.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Whose agents they reach.
    pub(crate) tenant: TenantId,
    /// Their token, or the one their session came from.
    pub(crate) token: TokenId,
    /// What they may do.
    pub(crate) scopes: Vec<Scope>,
    /// When that ends.
    pub(crate) expires_at: Option<Timestamp>,
    /// The hash of their session's cookie, when it is one.
    pub(crate) session: Option<[u8; 32]>,
}

impl Caller {
    /// Refuses whoever lacks a scope.
    pub(crate) fn need(&self, scope: Scope) -> Result<(), Error> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        Err(Error::with(Code::ScopeMissing, format!("this needs the scope {}", scope.as_str())))
    }
}

/// Tokens that were good a moment ago, by the hash of their text.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<HashMap<[u8; 32], (Caller, Instant)>>);

impl Cache {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Caller, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &[u8; 32]) -> Option<Caller> {
        let cache = self.lock();
        let (caller, since) = cache.get(key)?;
        let expired = caller.expires_at.is_some_and(|at| at <= Timestamp::now());
        (since.elapsed() < FRESH && !expired).then(|| caller.clone())
    }

    fn put(&self, key: [u8; 32], caller: Caller) {
        let mut cache = self.lock();
        if cache.len() >= CAPACITY {
            cache.retain(|_, (_, since)| since.elapsed() < FRESH);
            if cache.len() >= CAPACITY {
                cache.clear();
            }
        }
        cache.insert(key, (caller, Instant::now()));
    }

    /// Forgets a token that was revoked.
    pub(crate) fn forget(&self, token: TokenId) {
        self.lock().retain(|_, (caller, _)| caller.token != token);
    }
}

impl App {
    /// Whose token this is.
    pub(crate) async fn caller_by_token(&self, text: &str) -> Result<Caller, Error> {
        let unauthenticated = || Error::with(Code::Unauthenticated, "the token is not valid");
        let given = ApiToken::parse(text).ok_or_else(unauthenticated)?;
        let key = Sha256::digest(text).into();
        if let Some(caller) = self.access.get(&key) {
            return Ok(caller);
        }
        let token = self.store.token(given.id()).await?.filter(|token| given.matches(&token.hash));
        let token = token.ok_or_else(unauthenticated)?;
        if token.expires_at.is_some_and(|at| at <= Timestamp::now()) {
            return Err(Error::with(Code::Unauthenticated, "the token has expired"));
        }
        let caller = Caller {
            tenant: token.tenant,
            token: token.id,
            scopes: token.scopes,
            expires_at: token.expires_at,
            session: None,
        };
        self.access.put(key, caller.clone());
        Ok(caller)
    }

    /// Whose session this is.
    pub(crate) async fn caller_by_cookie(&self, secret: &Secret) -> Result<Caller, Error> {
        let hash = secret.hash();
        let session = self.store.session(hash, Timestamp::now()).await?;
        let session = session.ok_or_else(|| Error::with(Code::Unauthenticated, "the session has ended"))?;
        Ok(Caller {
            tenant: session.tenant,
            token: session.token,
            scopes: session.scopes,
            expires_at: Some(session.expires_at),
            session: Some(hash),
        })
    }

    /// Whether pages of an origin may use cookies and tickets.
    pub(crate) fn origin_allowed(&self, origin: &str) -> bool {
        self.settings.origins.iter().any(|allowed| allowed == origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(expires_at: Option<Timestamp>) -> Caller {
        Caller {
            tenant: TenantId::new(),
            token: TokenId::new(),
            scopes: Vec::new(),
            expires_at,
            session: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_remembered_for_a_while_and_not_after_it_was_revoked() {
        let cache = Cache::default();
        let known = caller(None);
        cache.put([1; 32], known.clone());
        assert!(cache.get(&[1; 32]).is_some());
        cache.forget(known.token);
        assert!(cache.get(&[1; 32]).is_none());
        cache.put([1; 32], known);
        tokio::time::advance(FRESH).await;
        assert!(cache.get(&[1; 32]).is_none());
    }

    #[test]
    fn an_expired_token_is_not_remembered() {
        let cache = Cache::default();
        cache.put([1; 32], caller(Some(Timestamp::UNIX_EPOCH)));
        assert!(cache.get(&[1; 32]).is_none());
    }

    #[test]
    fn the_cache_is_bounded() {
        let cache = Cache::default();
        for i in 0..=CAPACITY {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&i.to_be_bytes());
            cache.put(key, caller(None));
        }
        assert!(cache.lock().len() <= CAPACITY);
    }
}
