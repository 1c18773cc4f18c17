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
    /// `None` once its end was seen: a task's result can be had only once.
    task: Option<JoinHandle<Served>>,
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
        Self { what, stop, task: Some(tokio::spawn(async move { serving.await.map_err(Into::into) })) }
    }

    /// Resolves when it stops without having been told to.
    pub(crate) async fn broken(&mut self) -> Failure {
        let source = self.ended().await.err();
        Failure::Stopped { what: self.what, source }
    }

    /// Stops it and waits until it has; one that broke before has said so already.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        self.stop.cancel();
        let what = self.what;
        self.ended().await.map_err(|source| Failure::Stopped { what, source: Some(source) })
    }

    async fn ended(&mut self) -> Served {
        let Some(task) = &mut self.task else { return Ok(()) };
        let ended = task.await;
        self.task = None;
        ended.unwrap_or_else(|error| Err(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_broke_can_be_stopped() {
        let mut part = Part::start("it", |_| async { Err("broke") });
        let Failure::Stopped { what: "it", source: Some(source) } = part.broken().await else {
            panic!("it says why it stopped");
        };
        assert_eq!(source.to_string(), "broke");
        assert!(part.stop().await.is_ok());
    }

    #[tokio::test]
    async fn a_part_that_is_stopped_ends_as_it_likes() {
        let part = Part::start("it", |stop| async move {
            stop.cancelled().await;
            Ok::<_, &str>(())
        });
        assert!(part.stop().await.is_ok());
        let part = Part::start("it", |stop| async move {
            stop.cancelled().await;
            Err("did not end well")
        });
        assert!(matches!(part.stop().await, Err(Failure::Stopped { source: Some(_), .. })));
    }
}
