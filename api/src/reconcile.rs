//! The one loop in the background: it reacts to a closed set of events and to the passing of time, and
//! brings what the store says towards what owners want.

use std::{sync::Arc, time::Duration};

use futures_util::{TryStreamExt as _, stream};
use jiff::Timestamp;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::MissedTickBehavior,
};
use wire::{AgentId, agent::Status};

use crate::{app::App, domain::agent::Agent, edge::Chain, error::Error};

mod garbage;

/// Events that may wait; beyond that the next tick sees to everything.
pub(crate) const QUEUE: usize = 64;
/// Agents placed at the same time after a restart.
const PLACING: usize = 32;
/// Rows looked at in one round; the next round goes on.
const BATCH: usize = 256;
/// Agents that wait read at once: little more than are placed.
const PAGE: usize = 64;
/// Pages of them looked at in one round.
const PAGES: usize = 32;
/// Rows changed at the same time: the store commits them together.
const ABREAST: usize = 32;
/// What has expired is forgotten every so many ticks.
const FORGET_EVERY: u64 = 60;

/// Inboxes are looked at every so many ticks: a message whose recipient was not told of it waits no longer.
const MAIL_EVERY: u64 = 5;

/// What nobody refers to any more is deleted from the object store every so many ticks.
const GARBAGE_EVERY: u64 = 10;
/// Packs nobody ever heard of are looked for every so many ticks.
const ORPHANS_EVERY: u64 = 300;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A host came, or agents left one: something that waits may fit now.
    Room,
    /// Agents were suspended: a message may have come while they came to rest.
    Mail,
}

/// Runs until the application stops.
pub(crate) async fn run(app: Arc<App>, mut events: mpsc::Receiver<Event>, tick: Duration) {
    let mut timer = tokio::time::interval(tick);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = 0_u64;
    let slots = Arc::new(Semaphore::new(PLACING));
    let mut after = None;
    let garbage = Arc::new(garbage::Collector::default());
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = timer.tick() => {
                report("lost hosts", bury(&app).await);
                report("overdue agents", sweep(&app).await);
                report("waiting agents", place(&app, &slots, &mut after).await);
                if ticks.is_multiple_of(MAIL_EVERY) {
                    report("inboxes", mail(&app, true).await);
                }
                if ticks.is_multiple_of(FORGET_EVERY) {
                    report("expired rows", forget(&app).await);
                }
                if ticks.is_multiple_of(GARBAGE_EVERY) {
                    garbage.begin(&app, ticks.is_multiple_of(ORPHANS_EVERY));
                }
                ticks += 1;
            }
            Some(event) = events.recv() => match event {
                Event::Room => report("waiting agents", place(&app, &slots, &mut after).await),
                Event::Mail => report("inboxes", mail(&app, false).await),
            },
        }
    }
}

fn report(what: &'static str, done: Result<(), Error>) {
    if let Err(error) = done {
        tracing::error!(what, error = %Chain(&error), "reconciler: will try again");
    }
}

async fn bury(app: &Arc<App>) -> Result<(), Error> {
    for lost in app.fleet.lost(app.settings.lease, tokio::time::Instant::now()) {
        app.bury(lost).await?;
    }
    for (id, incarnation) in app.fleet.unsettled() {
        app.settle_dead(id, incarnation).await?;
    }
    Ok(())
}

async fn sweep(app: &Arc<App>) -> Result<(), Error> {
    let now = Timestamp::now();
    let overdue = app.store.overdue(now, BATCH).await?;
    let overdue = stream::iter(overdue.into_iter().map(Ok::<_, Error>));
    overdue.try_for_each_concurrent(ABREAST, |agent| app.sweep(agent, now)).await
}

/// Tries to place what is pending. Tasks do it, so that a slow host holds up nobody but itself.
///
/// A round goes on `after` the agent that the last one ended with, and takes no slot for an agent that no
/// host could have now: the oldest do not keep the younger from their turn.
async fn place(app: &Arc<App>, slots: &Arc<Semaphore>, after: &mut Option<AgentId>) -> Result<(), Error> {
    // Without a host there is nothing to try, and the agents' time does not run.
    if !app.fleet.any_active() {
        return Ok(());
    }
    for _ in 0..PAGES {
        let page = app.store.waiting(*after, PAGE).await?;
        let is_last = page.len() < PAGE;
        for agent in page {
            let id = agent.id;
            if !app.waits(&agent) && !app.pauses.lasts(id) {
                let Ok(slot) = slots.clone().try_acquire_owned() else { return Ok(()) };
                place_one(app, agent, slots, slot);
            }
            *after = Some(id);
        }
        if is_last {
            *after = None;
            return Ok(());
        }
    }
    Ok(())
}

fn place_one(app: &Arc<App>, agent: Agent, slots: &Arc<Semaphore>, slot: OwnedSemaphorePermit) {
    let Some(claim) = app.try_claim(agent.id) else { return };
    let (task, slots) = (app.clone(), slots.clone());
    app.tasks.spawn(async move {
        let placed = task.clone().place(agent, claim, None).await;
        drop(slot);
        // Only progress asks for another round: what finds no room waits for the next tick.
        // One round for several of them: each reads the store.
        let is_free = slots.available_permits() >= PLACING / 2;
        if is_free && placed.is_some_and(|agent| !agent.waits()) {
            task.tell(Event::Room);
        }
    });
}

/// Wakes suspended agents that have something in their inbox, and has the hosts of others read it.
async fn mail(app: &Arc<App>, nudge: bool) -> Result<(), Error> {
    let mut after = None;
    loop {
        let page = app.store.with_mail(after, BATCH).await?;
        let is_last = page.len() < BATCH;
        after = page.last().map(|agent| agent.id);
        let page = page.into_iter().filter(|agent| nudge || agent.status == Status::Suspended);
        let page = stream::iter(page.map(Ok::<_, Error>));
        page.try_for_each_concurrent(ABREAST, |agent| app.rouse(agent)).await?;
        if is_last {
            return Ok(());
        }
    }
}

async fn forget(app: &Arc<App>) -> Result<(), Error> {
    app.pauses.forget();
    while app.store.forget_expired(Timestamp::now(), BATCH).await? == BATCH {}
    Ok(())
}
