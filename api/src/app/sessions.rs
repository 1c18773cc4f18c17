//! Signing in to the console.

use jiff::Timestamp;
use wire::{access::SignIn, problem::Code};

use super::{App, access::Caller};
use crate::{
    auth::{
        secret::Secret,
        session::{SESSION_LIFE, expiry},
    },
    domain::tenant::Session,
    error::Error,
};

impl App {
    /// Exchanges a one-time code or a token for a session; the second value is the cookie's.
    pub(crate) async fn sign_in(&self, sign_in: SignIn) -> Result<(wire::access::Session, Secret), Error> {
        let now = Timestamp::now();
        let caller = match sign_in {
            SignIn { code: Some(code), token: None } => {
                let wrong = || Error::with(Code::Unauthenticated, "the code is wrong, used or expired");
                let code = Secret::parse(&code).ok_or_else(wrong)?;
                let token = self.store.take_code(code.hash(), now).await?.ok_or_else(wrong)?;
                let token = self.store.token(token).await?.ok_or_else(wrong)?;
                Caller {
                    tenant: token.tenant,
                    token: token.id,
                    scopes: token.scopes,
                    expires_at: token.expires_at,
                    session: None,
                }
            }
            SignIn { code: None, token: Some(token) } => self.caller_by_token(&token).await?,
            _ => return Err(Error::field("", "must have exactly one of `code` and `token`")),
        };
        let secret = Secret::random();
        // A session ends no later than what it came from.
        let life = expiry(now, SESSION_LIFE);
        let expires_at = caller.expires_at.map_or(life, |at| at.min(life));
        let session = Session {
            hash: secret.hash(),
            tenant: caller.tenant,
            token: caller.token,
            scopes: caller.scopes.clone(),
            expires_at,
        };
        self.store.create_session(session).await?;
        let session = self.describe(&Caller { expires_at: Some(expires_at), ..caller }).await?;
        Ok((session, secret))
    }

    /// Who is signed in.
    pub(crate) async fn describe(&self, caller: &Caller) -> Result<wire::access::Session, Error> {
        let tenant = self.store.tenant(caller.tenant).await?.ok_or_else(Error::not_found)?;
        Ok(wire::access::Session {
            tenant: tenant.id,
            tenant_name: tenant.name,
            scopes: caller.scopes.clone(),
            expires_at: caller.expires_at.unwrap_or(Timestamp::MAX),
        })
    }

    /// Ends the caller's session, when it is one.
    pub(crate) async fn sign_out(&self, caller: &Caller) -> Result<(), Error> {
        if let Some(hash) = caller.session {
            self.store.delete_session(hash).await?;
        }
        Ok(())
    }
}
