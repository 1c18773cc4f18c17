//! Serving: connections in, the reconciler beside them, and an orderly end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Api, Config,
    app::{App, Settings},
    fleet::Fleet,
    hosts::http::HttpHosts,
    reconcile, routes,
    store::StoreError,
};

/// Connections at once; sockets count. Beyond that new ones wait in the listener's queue.
const MAX_CONNECTIONS: usize = 65_536;
/// A client that has not sent its request's head by then is not waited for.
const HEAD: Duration = Duration::from_secs(15);
/// Largest head of a request, bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Pause after the system could not give another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the API could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener is none.
    #[error("the listener has no address")]
    Listener(#[source] io::Error),
    /// The hosts could not be read.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
    /// No client for hosts could be made.
    #[error("the client for hosts could not be made")]
    Client(#[from] reqwest::Error),
}

pub(crate) async fn serve(
    api: Arc<Api>,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    let hosts = HttpHosts::new(api.keys.fleet.clone())?;
    let fleet = Fleet::load(api.store.hosts().await?, Instant::now());
    let (events, queue) = tokio::sync::mpsc::channel(reconcile::QUEUE);
    let settings = settings(&api.config, address);
    tracing::info!(%address, public_url = settings.public_url, "api listening");
    // The parts end on a token of their own, so that dropping this future ends them too.
    let ending = stop.child_token();
    let _end = ending.clone().drop_guard();
    let (store, hosts, depot) = (api.store.clone(), Arc::new(hosts), api.depot.clone());
    let app = App::new(store, hosts, depot, api.keys.clone(), fleet, settings, events, ending);
    let app = Arc::new(app);
    let reconciler = tokio::spawn(reconcile::run(app.clone(), queue, api.config.tick));

    let kill = CancellationToken::new();
    let _kill = kill.clone().drop_guard();
    let connections = TaskTracker::new();
    accept(&app, listener, &connections, &kill).await;

    tracing::info!(connections = connections.len(), sockets = app.sockets.len(), "api stopping");
    let drained = timeout(api.config.drain, async {
        for tracker in [&connections, &app.sockets, &app.tasks] {
            tracker.close();
            tracker.wait().await;
        }
        let _ = reconciler.await;
    });
    if drained.await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            tasks = app.tasks.len(),
            "api stopped before all was done"
        );
    }
    Ok(())
}

async fn accept(app: &Arc<App>, listener: TcpListener, connections: &TaskTracker, kill: &CancellationToken) {
    let router = routes::router(app.clone());
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let next = async {
            let permit = permits.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let accepted = tokio::select! {
            () = app.stop.cancelled() => return,
            accepted = next => accepted,
        };
        match accepted {
            (Ok(permit), Ok((stream, _))) => {
                let (router, stop, kill) = (router.clone(), app.stop.clone(), kill.clone());
                connections.spawn(async move {
                    tokio::select! {
                        () = connection(stream, router, stop, permit) => {}
                        () = kill.cancelled() => {}
                    }
                });
            }
            (_, Err(error)) => {
                // Out of descriptors, or a client that left before it was taken.
                tracing::warn!(%error, "no connection accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (Err(_), _) => return,
        }
    }
}

async fn connection(
    stream: TcpStream,
    router: axum::Router,
    stop: CancellationToken,
    permit: OwnedSemaphorePermit,
) {
    let _permit = permit;
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

fn settings(config: &Config, address: SocketAddr) -> Settings {
    let reachable = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port()))
        }
        other => other,
    };
    let public_url = match &config.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{reachable}"),
    };
    let mut origins = vec![origin(&public_url)];
    if reachable.ip().is_loopback() && config.public_url.is_none() {
        // People type either name of their own machine.
        origins.push(format!("http://localhost:{}", reachable.port()));
    }
    origins.extend(config.allowed_origins.iter().map(|origin| origin.trim_end_matches('/').to_owned()));
    Settings {
        public_url,
        origins,
        direct_hosts: config.direct_hosts,
        images_wait: config.images_wait,
        lease: config.lease,
    }
}

/// Scheme, host and port of a URL, as browsers write an origin.
fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split('/').next().unwrap_or(rest);
    let port = if scheme == "https" { ":443" } else { ":80" };
    format!("{scheme}://{}", authority.strip_suffix(port).unwrap_or(authority)).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        assert_eq!(origin("https://Cloud.example.net:443/base"), "https://cloud.example.net");
        assert_eq!(origin("http://127.0.0.1:7300"), "http://127.0.0.1:7300");
    }

    #[test]
    fn a_public_url_is_the_only_origin_unless_more_are_named() {
        let address = SocketAddr::from(([127, 0, 0, 1], 7300));
        let mut config = Config::new("/nowhere");
        assert_eq!(settings(&config, address).origins, ["http://127.0.0.1:7300", "http://localhost:7300"]);
        config.public_url = Some("https://a.example/".to_owned());
        config.allowed_origins = vec!["https://b.example".to_owned()];
        let settings = settings(&config, address);
        assert_eq!(settings.origins, ["https://a.example", "https://b.example"]);
        assert_eq!(settings.public_url, "https://a.example");
    }
}
