//! The control plane: takes requests, decides who may do what and where agents run, and keeps the
//! record of it. A request goes route → app → store and host; nothing here links wasmtime.
//!
//! A request passes `edge` (its id, span and headers), is taken apart by a handler in `routes`,
//! and decided in `app`, which speaks to the [`store`] and to hosts in verbs. Errors become
//! problems in [`error`] and nowhere else. A WebSocket is admitted like any request; after that
//! `relay` copies its bytes. `reconcile` is the one loop in the background.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wire::HostId;

mod app;
pub mod auth;
mod bootstrap;
mod changes;
mod config;
pub mod data_dir;
pub mod domain;
mod edge;
pub mod error;
mod extract;
mod fleet;
mod hosts;
mod openapi;
pub mod place;
mod reconcile;
mod relay;
mod routes;
mod server;
pub mod store;
mod web;

pub use bootstrap::Bootstrap;
pub use config::Config;
pub use server::ServeError;

use app::Keys;
use auth::{
    host::FleetKey,
    secret::Secret,
    session::{CODE_LIFE, expiry},
    ticket::{InvalidSeed, TicketKey},
    token::ApiToken,
};
use data_dir::{DataDir, DataDirError};
use store::{Store, StoreError, sqlite::SqliteStore};

/// Where in the data directory checkpoints are, unless they are elsewhere.
const DEPOT: &str = "depot";

/// Why an API could not be opened; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store in it cannot be used.
    #[error(transparent)]
    Store(#[from] store::sqlite::OpenError),
    /// The object store beside it cannot be used.
    #[error(transparent)]
    Depot(#[from] depot::OpenError),
    /// A key file holds no key.
    #[error("the ticket key in the data directory is not a key; restore it from a backup")]
    Key(#[from] InvalidSeed),
    /// The work could not be done at all.
    #[error("opening was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl OpenError {
    /// The exit code a process should end with, after sysexits.h.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::DataDir(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
            Self::Key(_) => 65,
            Self::Depot(_) => 73,
            Self::Interrupted(_) => 70,
        }
    }
}

/// A control plane over one data directory, which it keeps locked.
#[derive(Debug)]
pub struct Api {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) depot: depot::Depot,
    pub(crate) keys: Arc<Keys>,
    _data: DataDir,
}

impl Api {
    /// Locks the data directory and opens its store and keys, making them when they are not there.
    ///
    /// # Errors
    /// The directory is in use, not writable, full, damaged or of a newer version.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        tokio::task::spawn_blocking(move || {
            let data = DataDir::open(&config.data)?;
            let keys = Keys {
                ticket: TicketKey::from_seed(&data.secret_key("ticket")?)?,
                fleet: Arc::new(FleetKey::new(&data.secret_key("fleet")?)),
            };
            let store = Arc::new(SqliteStore::open(&data.database())?);
            let depot = match &config.depot {
                Some(depot) => depot.clone(),
                None => depot::Depot::local(&config.data.join(DEPOT))?,
            };
            Ok(Self { config, store, depot, keys: Arc::new(keys), _data: data })
        })
        .await?
    }

    /// The first tenant and a token with every scope, made when there is none. The token's secret is
    /// kept in the file `token` of the data directory, so that later runs return the same.
    ///
    /// # Errors
    /// The store or that file cannot be read or written.
    pub async fn bootstrap(&self) -> Result<Bootstrap, StoreError> {
        bootstrap::run(self).await
    }

    /// A one-time code that signs a browser in as this token for 10 minutes:
    /// `<public url>/#code=<code>`, in the fragment so that no server logs it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn sign_in_code(&self, bootstrap: &Bootstrap) -> Result<String, StoreError> {
        let not_a_token = || StoreError::Unavailable("not a token".into());
        let token = ApiToken::parse(&bootstrap.token).ok_or_else(not_a_token)?;
        let code = Secret::random();
        self.store.create_code(code.hash(), token.id(), expiry(Timestamp::now(), CODE_LIFE)).await?;
        Ok(code.expose().to_owned())
    }

    /// Where checkpoints are: hosts of the same process may use it too.
    #[must_use]
    pub fn depot(&self) -> depot::Depot {
        self.depot.clone()
    }

    /// The credential of a host, both ways.
    #[must_use]
    pub fn host_credential(&self, id: HostId) -> String {
        self.keys.fleet.credential(id)
    }

    /// Serves until `stop`; then takes no more connections, lets requests end for at most
    /// [`Config::drain`] and closes sockets with 1012.
    ///
    /// # Errors
    /// It could not begin; a served API has no error but those of its requests.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), ServeError> {
        server::serve(self, listener, stop).await
    }
}

/// The OpenAPI document, JSON text: the contract, checked in as `api/openapi.json`.
#[must_use]
pub fn openapi() -> &'static str {
    &openapi::JSON
}
