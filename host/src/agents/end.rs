//! What follows when an agent's task has ended.

use std::sync::{Arc, Mutex, PoisonError};

use wire::{
    Digest,
    agent::{OnDrain, Status, StatusReason},
    checkpoint::CheckpointKind,
    host::{ReportEvent, Then},
    log::{Level, Source},
};

use super::{Agents, Stopping, moved};
use crate::{
    agent::{Live, Shared, driver::Ending},
    checkpoints::{capture::Snapshot, committer::Job},
};

impl Agents {
    pub(super) async fn ended(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        stopping: &Mutex<Option<Stopping>>,
        ending: Option<Ending>,
        image: &Digest,
        on_drain: OnDrain,
    ) {
        let asked = *stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let live = match (asked, ending) {
            (Some(Stopping::End(reason)), _) => over(Status::Terminated, Some(reason), None),
            (_, Some(Ending::Suspended(reason))) => {
                self.rest(shared, reason).await;
                return;
            }
            (_, Some(Ending::Released)) => {
                self.keep_files(shared).await;
                moved(StatusReason::HostDrain)
            }
            (Some(Stopping::Suspend(reason)), _) => {
                self.give_up(shared, None, Then::Suspend { reason, parked: false }).await;
                moved(reason)
            }
            (Some(Stopping::Release), Some(Ending::Over { status: Status::Terminated, reason, detail }))
                if on_drain == OnDrain::Finish || reason != StatusReason::UserRequest =>
            {
                self.report_end(shared, Status::Terminated, reason, &detail);
                over(Status::Terminated, Some(reason), Some(detail))
            }
            (Some(Stopping::Release), _) if on_drain == OnDrain::Finish && !shared.is_suspendable() => {
                let detail = "its host stopped, and it was to run to its end there".to_owned();
                self.report_end(shared, Status::Terminated, StatusReason::HostDrain, &detail);
                over(Status::Terminated, Some(StatusReason::HostDrain), Some(detail))
            }
            (Some(Stopping::Release), _) => {
                // What cannot be captured leaves its files and its screen.
                let remains = if shared.is_suspendable() { None } else { self.remains(shared, image).await };
                self.give_up(shared, remains, Then::Release {}).await;
                moved(StatusReason::HostDrain)
            }
            (None, Some(Ending::GivenUp(detail))) => {
                tracing::warn!(%detail, "agent given up");
                self.report(shared, ReportEvent::Released {});
                moved(StatusReason::Restoring)
            }
            (None, Some(Ending::Over { status, reason, detail })) => {
                tracing::info!(?status, ?reason, %detail, "agent ended");
                shared.output(epitaph(status, reason, &detail).as_bytes());
                let level = if status == Status::Failed { Level::Error } else { Level::Info };
                shared.note(level, Source::Host, format!("the agent ended: {detail}"), vec![]);
                self.report_end(shared, status, reason, &detail);
                over(status, Some(reason), Some(detail))
            }
            (None, None) => over(Status::Failed, None, Some("its task was ended".to_owned())),
        };
        shared.mailbox.close();
        shared.set_workspace(None);
        if live.moved {
            self.forget(shared);
        } else {
            // Nobody is left to hear the answers.
            self.means.services.outbox.forget(shared.id);
        }
        shared.set_live(live);
    }

    fn report_end(&self, shared: &Shared, status: Status, reason: StatusReason, detail: &str) {
        self.report(shared, ReportEvent::Ended { status, reason, detail: detail.to_owned() });
    }

    /// Has the API record that an agent whose task is over goes on from its last checkpoint, or from what remains of it.
    async fn give_up(&self, shared: &Shared, remains: Option<Snapshot>, then: Then) {
        // What remains of one that cannot be captured is all of it.
        let undone = remains.is_none();
        let job = Job {
            agent: shared.id,
            epoch: shared.epoch(),
            snapshot: remains.map(Box::new),
            parent: None,
            kind: CheckpointKind::Automatic,
            note: None,
            then,
            wake_at: None,
            undone,
            urgent: true,
            asked: false,
        };
        let committed = self.means.services.committer.submit(job).await.await;
        if !matches!(committed, Ok(Ok(_))) {
            // Its record is brought up to date by its deadline, or by the loss of this host.
            self.report(shared, ReportEvent::Released {});
        }
    }

    /// The stamps of its files: if it comes back here they need not be written again.
    pub(super) async fn keep_files(&self, shared: &Shared) {
        let Some(workspace) = shared.workspace() else { return };
        let kept = tokio::task::spawn_blocking(move || workspace.keep()).await;
        if let Ok(Err(error)) = kept {
            tracing::debug!(%error, "the files of an agent that rests are not remembered");
        }
    }
}

fn over(status: Status, reason: Option<StatusReason>, detail: Option<String>) -> Live {
    Live { status, reason, detail, moved: false }
}

fn epitaph(status: Status, reason: StatusReason, detail: &str) -> String {
    let detail: String = detail.chars().filter(|c| !c.is_control()).collect();
    if status == Status::Terminated {
        return format!("\r\n\x1b[2m[agent ended: {detail}]\x1b[0m\r\n");
    }
    let what = match reason {
        StatusReason::OutOfMemory => "out of memory",
        StatusReason::PolicyDenied => "stopped by its limits",
        _ => "trapped",
    };
    format!("\r\n\x1b[0;31m[agent ended: {what}: {detail}]\x1b[0m\r\n")
}
