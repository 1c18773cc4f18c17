//! API tokens: made by operators, shown once, revoked at once.

use jiff::{SignedDuration, Timestamp};
use wire::{
    TokenId,
    access::{CreatedToken, NewToken, Scope},
    agent::MAX_NAME_BYTES,
    problem::Code,
};

use super::{App, access::Caller, validate::Mistakes, view};
use crate::{auth::token::ApiToken, domain::tenant::Token, error::Error};

/// Most tokens a tenant may have.
const MAX_TOKENS: usize = 1000;

impl App {
    /// The tenant's tokens, newest first.
    pub(crate) async fn list_tokens(&self, caller: &Caller) -> Result<Vec<wire::access::Token>, Error> {
        caller.need(Scope::Operator)?;
        let tokens = self.store.tokens(caller.tenant).await?;
        Ok(tokens.into_iter().map(view::token).collect())
    }

    /// Makes a token that can do no more than its maker's.
    pub(crate) async fn create_token(&self, caller: &Caller, new: NewToken) -> Result<CreatedToken, Error> {
        caller.need(Scope::Operator)?;
        let mut mistakes = Mistakes::default();
        mistakes.text(&new.name, MAX_NAME_BYTES, "/name");
        mistakes.unless(!new.scopes.is_empty(), "/scopes", "must name at least one scope");
        for (at, scope) in new.scopes.iter().enumerate() {
            mistakes.unless(
                caller.scopes.contains(scope),
                format!("/scopes/{at}"),
                "your own token lacks this scope",
            );
        }
        mistakes.unless(new.expires_in_seconds != Some(0), "/expires_in_seconds", "must be at least 1");
        mistakes.none()?;
        if self.store.tokens(caller.tenant).await?.len() >= MAX_TOKENS {
            return Err(Error::with(Code::QuotaExceeded, format!("a tenant may have {MAX_TOKENS} tokens")));
        }
        let now = Timestamp::now();
        let life = new.expires_in_seconds.map(|s| SignedDuration::from_secs(s.into()));
        let expires_at = life.map(|l| now.checked_add(l)).transpose().map_err(Error::internal)?;
        let secret = ApiToken::generate();
        let mut scopes = new.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        let token = Token {
            id: secret.id(),
            tenant: caller.tenant,
            name: new.name,
            hash: secret.hash(),
            scopes,
            created_at: now,
            expires_at,
        };
        self.store.create_token(token.clone()).await?;
        Ok(CreatedToken { token: view::token(token), secret: secret.expose() })
    }

    /// Revokes a token and the sessions that came from it.
    pub(crate) async fn delete_token(&self, caller: &Caller, id: TokenId) -> Result<(), Error> {
        caller.need(Scope::Operator)?;
        let there = self.store.delete_token(caller.tenant, id).await?;
        self.access.forget(id);
        if there { Ok(()) } else { Err(Error::not_found()) }
    }
}
