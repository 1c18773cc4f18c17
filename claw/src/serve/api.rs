//! `claw api`: the control plane alone.

use std::sync::Arc;

use super::{absolute, listen, stop_signal};
use crate::{cli, failure::Failure, output::Output};

/// Serves until told to stop.
pub(crate) async fn run(args: cli::Api, out: Output) -> Result<(), Failure> {
    let stop = stop_signal("stopping")?;
    let mut config = api::Config::new(absolute(&args.data)?);
    config.public_url = args.public_url;
    config.allowed_origins = args.allow_origin;
    config.direct_hosts = args.direct_hosts;
    config.depot = args.store.as_deref().map(depot::Depot::open).transpose()?;
    let api = Arc::new(api::Api::open(config).await?);
    let bootstrap = api.bootstrap().await.map_err(store)?;
    let listener = listen(args.listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    if out.json {
        out.document(
            &serde_json::json!({ "url": url, "token": bootstrap.token, "tenant": bootstrap.tenant }),
        )?;
    } else {
        tracing::info!(url, tenant = %bootstrap.tenant, "the first token is in the data directory");
    }
    let stopped =
        |error: api::ServeError| Failure::Stopped { what: "the control plane", source: Some(error.into()) };
    api.serve(listener, stop).await.map_err(stopped)
}

/// The store failed before anything was served.
pub(super) fn store(error: api::store::StoreError) -> Failure {
    Failure::Stopped { what: "the store", source: Some(error.into()) }
}
