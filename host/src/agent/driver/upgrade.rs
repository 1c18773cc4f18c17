//! Another version of an agent's component takes over: `save` of the old one, `load` of the new one, and a checkpoint
//! that says so. Until that counts, the old one is the agent.

use std::sync::Arc;

use wire::{
    checkpoint::CheckpointKind,
    log::{Level, Source},
};

use super::{Running, begin, rollback::Ran};
use crate::{
    agent::{
        ask::AskError,
        mailbox::Item,
        pace::{Ahead, Paced},
    },
    bindings::agent::{exports::openclaw::agent::handler::Fault, openclaw::agent::types as wit},
    images::Image,
};

/// The interface both components export.
const UPGRADE: &str = "openclaw:agent/upgrade@0.1.0";
/// Longest state that is handed over, bytes: what a guest may hand to the host in one call.
const MAX_STATE_BYTES: usize = 8 << 20;

impl Running {
    pub(super) async fn upgrade(&mut self, image: Arc<Image>) -> Result<(), AskError> {
        let refused = |why: String| AskError::NotUpgradable(why);
        for (image, which) in [(&self.image, "present"), (&image, "new")] {
            if !image.info().upgradable {
                return Err(refused(format!("the {which} component does not export {UPGRADE}")));
            }
        }
        if let Some(why) = &image.info().not_suspendable {
            return Err(refused(format!("the new component cannot be checkpointed: {why}")));
        }
        let stale = |_| refused("another placement of the agent counts".to_owned());
        self.settle_commit().await.map_err(stale)?;
        let state = self.save().await.map_err(refused)?;
        let clock = self.store.data_mut().monotonic_now();
        let workspace = self.store.data().workspace.clone();
        let (start, services) = (&self.start, &self.services);
        let fresh = begin::fresh(&self.shared, workspace, &image, start, services, &mut self.bucket, clock);
        let mut fresh = fresh.await.map_err(|refusal| refused(refusal.detail))?;
        // What is in flight belongs to the agent, not to the component.
        std::mem::swap(&mut fresh.store.data_mut().operations, &mut self.store.data_mut().operations);
        let mut before = (
            std::mem::replace(&mut self.image, image),
            std::mem::replace(&mut self.store, fresh.store),
            std::mem::replace(&mut self.instance, fresh.instance),
            std::mem::replace(&mut self.component, fresh.component),
            std::mem::replace(&mut self.fuel_left, super::STORE_FUEL),
        );
        let loaded = match self.load(&state).await {
            Ok(()) => self.kept().await,
            Err(why) => Err(refused(why)),
        };
        if let Err(error) = loaded {
            std::mem::swap(&mut before.1.data_mut().operations, &mut self.store.data_mut().operations);
            (self.image, self.store, self.instance, self.component, self.fuel_left) = before;
            return Err(error);
        }
        let digest = &self.image.info().digest;
        self.shared.note(Level::Info, Source::Host, format!("the agent runs {digest} now"), vec![]);
        let size = self.shared.terminal().size();
        self.again.push_front(Ran::first(Item::Resume(wit::Resume {
            cause: wit::ResumeCause::Restart,
            away_ms: 0,
            epoch: self.start.epoch,
            size: wit::Size { cols: size.cols, rows: size.rows },
        })));
        Ok(())
    }

    async fn save(&mut self) -> Result<Vec<u8>, String> {
        let save = self.function("save")?;
        let save = self.instance.get_typed_func::<(), (Vec<u8>,)>(&mut self.store, save);
        let save = save.map_err(|error| error.to_string())?;
        let meter = Ahead { fuel: &self.shared.meters.fuel, settled: self.used };
        let saved = Paced::new(&mut self.bucket, meter, save.call_async(&mut self.store, ())).await;
        self.settle();
        let (state,) = saved.map_err(|error| format!("save failed: {}", error.root_cause()))?;
        if state.len() > MAX_STATE_BYTES {
            return Err(format!(
                "its state has {} bytes; at most {MAX_STATE_BYTES} are handed over",
                state.len()
            ));
        }
        Ok(state)
    }

    async fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let load = self.function("load")?;
        let load = self.instance.get_typed_func::<(&[u8],), (Result<(), Fault>,)>(&mut self.store, load);
        let load = load.map_err(|error| error.to_string())?;
        let meter = Ahead { fuel: &self.shared.meters.fuel, settled: self.used };
        let loaded = Paced::new(&mut self.bucket, meter, load.call_async(&mut self.store, (state,))).await;
        self.settle();
        let (loaded,) = loaded.map_err(|error| format!("load failed: {}", error.root_cause()))?;
        loaded.map_err(|fault| format!("the new component did not take the state: {}", fault.reason))
    }

    fn function(&mut self, name: &str) -> Result<wasmtime::component::ComponentExportIndex, String> {
        let missing = || format!("no {name} in {UPGRADE}");
        let interface = self.instance.get_export_index(&mut self.store, None, UPGRADE).ok_or_else(missing)?;
        self.instance.get_export_index(&mut self.store, Some(&interface), name).ok_or_else(missing)
    }

    /// A checkpoint of the new component that counts.
    async fn kept(&mut self) -> Result<(), AskError> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let stale = |_| AskError::NotUpgradable("another placement of the agent counts".to_owned());
        self.dirty = Some(tokio::time::Instant::now());
        self.checkpoint_for(CheckpointKind::Automatic, None, answer).await.map_err(stale)?;
        self.settle_commit().await.map_err(stale)?;
        let lost = |_| AskError::NotUpgradable("the host stops".to_owned());
        answered.await.map_err(lost)?.map(|_| ())
    }
}
