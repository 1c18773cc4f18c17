//! `claw host`: one host of agents; `claw host-credential`: what it proves itself with.

use super::{absolute, hosting, listen, stop_signal};
use crate::{
    cli::{Host, HostCredential},
    failure::Failure,
    output::Output,
    profile,
};

/// Serves until told to stop; then its agents come to rest.
pub(crate) async fn run(args: Host, out: Output) -> Result<(), Failure> {
    let stop = stop_signal("draining: agents come to rest (again to end at once)")?;
    let mut config = hosting(&args.hosting, absolute(&args.data)?)?;
    config.address = args.address;
    config.depot = Some(depot::Depot::open(&args.store)?);
    config.public_url = args.public_url;
    let credential = profile::read(&args.credential_file)?;
    config.api = Some(host::ApiLink { url: args.api.trim_end_matches('/').to_owned(), credential });
    let host = host::Host::open(config).await?;
    let listener = listen(args.listen).await?;
    let (id, address, ready) = (host.id(), listener.local_addr()?, host.ready());
    let announce = async {
        ready.await;
        if out.json {
            return out.document(&serde_json::json!({ "id": id, "address": address }));
        }
        tracing::info!(%id, %address, "registered");
        Ok(())
    };
    let serving = async {
        let stopped =
            |error: host::ServeError| Failure::Stopped { what: "the host", source: Some(error.into()) };
        host.serve(listener, stop.clone()).await.map_err(stopped)
    };
    tokio::pin!(serving);
    let announced = tokio::select! {
        served = &mut serving => return served,
        announced = announce => announced,
    };
    if announced.is_err() {
        // It drains like one that is told to: it may have been given agents already.
        stop.cancel();
    }
    let served = serving.await;
    announced.and(served)
}

/// Prints a host's credential.
pub(crate) async fn credential(args: HostCredential, out: Output) -> Result<(), Failure> {
    let id = match (args.id, args.host_data) {
        (Some(id), _) => id,
        (None, Some(data)) => host::host_id(&absolute(&data)?)?,
        (None, None) => return Err(Failure::Usage("give the host's --id or --host-data".to_owned())),
    };
    let credential = api::Api::open(api::Config::new(absolute(&args.data)?)).await?.host_credential(id);
    if out.json {
        return out.document(&serde_json::json!({ "id": id, "credential": credential }));
    }
    out.line(&credential)
}
