//! A server that runs as a task of this process.

use std::error::Error;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

type Served = Result<(), Box<dyn Error + Send + Sync>>;

/// A running server and the way to stop it.
#[derive(Debug)]
pub(crate) struct Part {
    what: &'static str,
    stop: CancellationToken,
    task: JoinHandle<Served>,
}

impl Part {
    /// Starts one; `serve` gets the token that stops it.
    pub(crate) fn start<F, E>(what: &'static str, serve: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let stop = CancellationToken::new();
        let serving = serve(stop.clone());
        Self { what, stop, task: tokio::spawn(async move { serving.await.map_err(Into::into) }) }
    }

    /// Resolves when it stops without having been told to.
    pub(crate) async fn broken(&mut self) -> Failure {
        let source = match (&mut self.task).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(error) => Some(error.into()),
        };
        Failure::Stopped { what: self.what, source }
    }

    /// Stops it and waits until it has.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.stop.cancel();
        let failed = |source| Err(Failure::Stopped { what: self.what, source: Some(source) });
        match self.task.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => failed(error),
            Err(error) => failed(error.into()),
        }
    }
}
