//! The servers: the whole cloud in one process, or one part of it.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ::host::ImageSource;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{cli, components, failure::Failure};

pub(crate) mod api;
pub(crate) mod banner;
pub(crate) mod demo;
pub(crate) mod host;
pub(crate) mod part;
pub(crate) mod up;

/// Exit code of a process that was told to stop twice.
const FORCED: i32 = 130;

/// A token that is cancelled by the first Ctrl-C or SIGTERM; the second ends the process at once.
fn stop_signal(saying: &'static str) -> Result<CancellationToken, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if first {
                eprintln!("\n{saying}");
                token.cancel();
            }
        }
        std::process::exit(FORCED);
    });
    Ok(stop)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let failed = |source| Failure::Listen { address: address.to_string(), source };
    TcpListener::bind(address).await.map_err(failed)
}

/// A host over a directory of its own, as far as its arguments say what it is.
fn hosting(args: &cli::Hosting, data: PathBuf) -> Result<::host::Config, Failure> {
    let mut config = ::host::Config::new(data);
    config.images = images(args)?;
    config.max_agents = args.max_agents;
    config.memory_limit = args.memory_limit_mib.map(|mib| mib << 20);
    config.egress.allow.clone_from(&args.egress_allow);
    Ok(config)
}

/// Embedded agents and those of the arguments, which win where names are the same.
fn images(args: &cli::Hosting) -> Result<Vec<ImageSource>, Failure> {
    let mut images = components::embedded();
    for image in &args.images {
        let (name, file) = image
            .split_once('=')
            .filter(|(name, file)| !name.is_empty() && !file.is_empty())
            .ok_or_else(|| Failure::Usage(format!("--image {image}: expected a name, = and a file")))?;
        let bytes = fs::read(file).map_err(|source| Failure::File { path: file.into(), source })?;
        images.retain(|known| known.name != name);
        images.push(ImageSource {
            name: name.to_owned(),
            description: format!("From {file}"),
            bytes: bytes.into(),
        });
    }
    Ok(images)
}

/// A path that stays the same when the process changes its directory.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|source| Failure::File { path: path.to_owned(), source })
}
