//! The first tenant and its token, so that a fresh data directory can be used at once.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use jiff::Timestamp;
use wire::{TenantId, access::Scope};

use crate::{
    Api,
    auth::token::ApiToken,
    domain::tenant::{Tenant, Token},
    store::StoreError,
};

/// The file in the data directory that holds the first token, readable by its owner only.
const FILE: &str = "token";

/// The first tenant and a token of it with every scope.
#[derive(Clone)]
pub struct Bootstrap {
    /// The tenant.
    pub tenant: TenantId,
    /// The token with its secret.
    pub token: String,
}

impl std::fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bootstrap").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

pub(crate) async fn run(api: &Api) -> Result<Bootstrap, StoreError> {
    let tenant = match api.store.tenants().await?.first() {
        Some(tenant) => tenant.id,
        None => {
            let tenant = Tenant {
                id: TenantId::new(),
                name: "default".to_owned(),
                max_agents: api.config.max_agents,
                created_at: Timestamp::now(),
            };
            api.store.create_tenant(tenant.clone()).await?;
            tenant.id
        }
    };
    let path = api.config.data.join(FILE);
    let token = tokio::task::spawn_blocking(move || read_or_make(&path));
    let token = token.await.map_err(|e| StoreError::Unavailable(e.into()))?;
    let token = token.map_err(|e| StoreError::Unavailable(e.into()))?;
    // The file is first: a crash between the two is made good here, with no token nobody knows.
    let stored = api.store.token(token.id()).await?;
    let tenant = match stored.filter(|stored| token.matches(&stored.hash)) {
        Some(stored) => stored.tenant,
        None => {
            let row = Token {
                id: token.id(),
                tenant,
                name: "bootstrap".to_owned(),
                hash: token.hash(),
                scopes: Scope::ALL.to_vec(),
                created_at: Timestamp::now(),
                expires_at: None,
            };
            api.store.create_token(row).await?;
            tenant
        }
    };
    Ok(Bootstrap { tenant, token: token.expose() })
}

fn read_or_make(path: &Path) -> io::Result<ApiToken> {
    match fs::read_to_string(path) {
        Ok(text) => {
            if let Some(token) = ApiToken::parse(text.trim()) {
                return Ok(token);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Missing, or not a token: what is there opens nothing, so nothing is lost.
    let token = ApiToken::generate();
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    writeln!(file, "{}", token.expose())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    if let Some(directory) = path.parent() {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(token)
}
