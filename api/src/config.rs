//! What a deployment decides about its API.

use std::{path::PathBuf, time::Duration};

use wire::host::LOST_SECONDS;

/// Settings of an [`crate::Api`]; [`Config::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory: store, keys and lock.
    pub data: PathBuf,
    /// Where checkpoints are. Default: the directory `depot` of the data directory.
    pub depot: Option<depot::Depot>,
    /// Where clients reach this API, such as `https://cloud.example.net`. Default: `http://` and the
    /// listener's address.
    pub public_url: Option<String>,
    /// Origins besides `public_url`'s whose pages may use cookies and tickets, exact.
    pub allowed_origins: Vec<String>,
    /// Whether clients can reach hosts that give a `public_url`: their sockets then skip the API.
    pub direct_hosts: bool,
    /// How long a spawn waits for a first host when none has registered yet.
    pub images_wait: Duration,
    /// A host whose lease is unchanged for this long, by this process's clock, is dead.
    pub lease: Duration,
    /// How often the reconciler looks for overdue agents and lost hosts.
    pub tick: Duration,
    /// How long requests may take to end once the API is told to stop.
    pub drain: Duration,
    /// Most agents of the first tenant at once.
    pub max_agents: u32,
}

impl Config {
    /// The defaults for a data directory.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            depot: None,
            public_url: None,
            allowed_origins: Vec::new(),
            direct_hosts: false,
            images_wait: Duration::from_secs(5),
            lease: Duration::from_secs(LOST_SECONDS),
            tick: Duration::from_secs(1),
            drain: Duration::from_secs(10),
            max_agents: 10_000,
        }
    }
}
