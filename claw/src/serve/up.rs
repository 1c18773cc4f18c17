//! `claw up`: control plane and host in one process, over the same wire as in a fleet.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    absolute,
    api::store,
    banner::{self, Ready},
    demo, hosting, listen,
    part::Part,
    stop_signal,
};
use crate::{
    Surroundings,
    cli::Up,
    client::Client,
    failure::Failure,
    output::Output,
    profile::{Target, URL_FILE},
};

/// The host's own directory in the data directory.
const HOST_DIR: &str = "host";
/// A person is told what is done after this.
const TELL: Duration = Duration::from_millis(500);

/// Runs the cloud until told to stop.
pub(crate) async fn run(args: Up, around: &Surroundings, out: Output) -> Result<(), Failure> {
    let begun = Instant::now();
    let stop = stop_signal("stopping: agents come to rest and keep their files (Ctrl-C again ends at once)")?;
    let data = absolute(&around.here.join(&args.data))?;
    let mut hosted = hosting(&args.hosting, data.join(HOST_DIR))?;
    let wants_demo = !args.no_demo && hosted.images.iter().any(|image| image.name == "shell");
    if hosted.images.is_empty() {
        eprintln!(
            "this claw was built without agents: run `cargo xtask build`, or offer some with --image NAME=FILE"
        );
    }

    let mut config = api::Config::new(&data);
    config.public_url.clone_from(&args.public_url);
    config.allowed_origins.clone_from(&args.allow_origin);
    config.depot = args.store.as_deref().map(depot::Depot::open).transpose()?;
    let api = Arc::new(api::Api::open(config).await?);
    let bootstrap = api.bootstrap().await.map_err(store)?;
    let listener = listen(args.listen).await?;
    let address = listener.local_addr()?;
    let reached = if address.ip().is_unspecified() {
        format!("127.0.0.1:{}", address.port())
    } else {
        address.to_string()
    };
    let url = format!("http://{reached}");

    let credential = api.host_credential(host::host_id(&hosted.data)?);
    hosted.api = Some(host::ApiLink { url: url.clone(), credential });
    hosted.depot = Some(api.depot());
    let door = listen(([127, 0, 0, 1], 0).into()).await?;
    let host = tokio::select! {
        host = opened(hosted) => host?,
        () = stop.cancelled() => return Ok(()),
    };
    let ready = host.ready();

    let serving = api.clone();
    let mut cloud = Cloud {
        api: Part::start("the control plane", |stop| serving.serve(listener, stop)),
        host: Part::start("the host", |stop| host.serve(door, stop)),
    };
    let client = Client::new(Target { url: url.clone(), token: bootstrap.token.clone() })?;
    let prepare = async {
        ready.await;
        let agent = if wants_demo { Some(demo::ensure(&client).await?) } else { None };
        let public = args.public_url.clone().unwrap_or_else(|| url.clone());
        let code = async || api.sign_in_code(&bootstrap).await.map_err(store);
        let terminal = match &agent {
            Some(agent) => Some(format!("{}#code={}", agent.terminal_url, code().await?)),
            None => None,
        };
        Ok::<_, Failure>(Ready {
            console: format!("{}/#code={}", public.trim_end_matches('/'), code().await?),
            terminal,
            agent: agent.map(|agent| agent.id),
            url: url.clone(),
            token: bootstrap.token.clone(),
            data: data.clone(),
            seconds: begun.elapsed().as_secs_f32(),
        })
    };
    let prepared = tokio::select! {
        prepared = prepare => prepared.map(Some),
        failure = cloud.broken() => Err(failure),
        () = stop.cancelled() => Ok(None),
    };
    // Whatever fails in here, the cloud is stopped in order: agents that run come to rest.
    let served = async {
        let Some(ready) = prepared? else { return Ok(()) };
        let _file = UrlFile::write(&data, &url)?;
        ready.announce(out)?;
        if args.open {
            let address = ready.terminal.unwrap_or(ready.console);
            tokio::spawn(banner::open(address));
        }
        cloud.until(&stop).await
    }
    .await;
    let stopped = cloud.stop().await;
    served.and(stopped)
}

/// Opens the host; says why when that takes long.
async fn opened(config: host::Config) -> Result<host::Host, host::OpenError> {
    let opening = host::Host::open(config);
    tokio::pin!(opening);
    tokio::select! {
        host = &mut opening => return host,
        () = tokio::time::sleep(TELL) => eprintln!("compiling agents for this machine; that is done once …"),
    }
    opening.await
}

/// Both servers.
struct Cloud {
    api: Part,
    host: Part,
}

impl Cloud {
    async fn broken(&mut self) -> Failure {
        tokio::select! {
            failure = self.api.broken() => failure,
            failure = self.host.broken() => failure,
        }
    }

    async fn until(&mut self, stop: &CancellationToken) -> Result<(), Failure> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            failure = self.broken() => Err(failure),
        }
    }

    /// The host first: it tells the API where its agents were left.
    async fn stop(self) -> Result<(), Failure> {
        let host = self.host.stop().await;
        let api = self.api.stop().await;
        host.and(api)
    }
}

/// Says to clients of this directory where its cloud is, for as long as it is there.
struct UrlFile(PathBuf);

impl UrlFile {
    fn write(data: &Path, url: &str) -> Result<Self, Failure> {
        let path = data.join(URL_FILE);
        fs::write(&path, format!("{url}\n"))
            .map_err(|source| Failure::File { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for UrlFile {
    fn drop(&mut self) {
        // One that stays says "cannot reach" instead of "no cloud": no harm.
        let _ = fs::remove_file(&self.0);
    }
}
