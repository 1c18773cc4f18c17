//! The hosts as this process knows them, in memory: a spawn looks up images and room here and reads
//! nothing. The store's rows stay the truth; this is a copy of what this process wrote to them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use wire::{Digest, HostId, Incarnation, fleet::HostState, host::Heartbeat, image::Image};

use crate::{
    domain::host::Host,
    hosts::To,
    place::{self, HostView, Need},
};

/// What a spawn's `image` stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// This.
    Image(Image),
    /// Nothing that a host has.
    Unknown,
    /// No host has ever registered, so nobody can say.
    NoHosts,
}

/// A host whose lease did not change for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Which.
    pub(crate) id: HostId,
    /// Its start.
    pub(crate) incarnation: Incarnation,
    /// Its last renewal.
    pub(crate) seq: u64,
}

/// The hosts.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    known: Mutex<BTreeMap<HostId, Known>>,
    registered: Notify,
}

#[derive(Debug)]
struct Known {
    host: Host,
    /// When this process last saw its row change, by a clock that never jumps.
    seen: Instant,
    /// Whether it registered since this process began: a row alone takes no agents.
    present: bool,
    /// Whether it began to give up what it has; its incarnation takes no more.
    leaving: bool,
    /// Whether it is dead and rows may still say that agents are on it.
    unsettled: bool,
}

impl Known {
    fn new(host: Host, seen: Instant, present: bool) -> Self {
        // An earlier process may have ended between a host's end and that of its agents.
        let unsettled = host.state == HostState::Dead;
        Self { host, seen, present, leaving: false, unsettled }
    }
}

impl Fleet {
    /// From the store's rows, after a start of this process. Every host gets a full lease from now:
    /// that this process was away says nothing about them.
    pub(crate) fn load(hosts: Vec<Host>, now: Instant) -> Self {
        let known = hosts.into_iter().map(|host| (host.id, Known::new(host, now, false))).collect();
        Self { known: Mutex::new(known), registered: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<HostId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this start of a host is known and was not declared dead.
    pub(crate) fn lives(&self, id: HostId, incarnation: Incarnation) -> bool {
        let known = self.lock();
        let same = known.get(&id).filter(|k| k.host.incarnation == incarnation);
        same.is_some_and(|k| k.host.state != HostState::Dead)
    }

    /// Adds or replaces a host.
    pub(crate) fn register(&self, host: Host, now: Instant) {
        self.lock().insert(host.id, Known::new(host, now, true));
        self.registered.notify_waiters();
    }

    /// Notes a renewal that the store accepted; whether the host registered with this process.
    pub(crate) fn renew(&self, id: HostId, beat: &Heartbeat, at: jiff::Timestamp, now: Instant) -> bool {
        let mut known = self.lock();
        let known = known.get_mut(&id).filter(|k| k.host.incarnation == beat.incarnation);
        known.is_some_and(|known| {
            let host = &mut known.host;
            (host.seq, host.agents, host.memory_bytes) = (beat.seq, beat.agents, beat.memory_bytes);
            known.leaving |= beat.draining;
            host.state = if known.leaving { HostState::Draining } else { HostState::Active };
            host.renewed_at = at;
            known.seen = now;
            known.present
        })
    }

    /// Notes that a host gives up what it has, until it registers anew.
    pub(crate) fn drain(&self, id: HostId) {
        if let Some(known) = self.lock().get_mut(&id).filter(|k| k.host.state == HostState::Active) {
            known.host.state = HostState::Draining;
            known.leaving = true;
        }
    }

    /// Notes that a host takes no more agents until its next renewal.
    pub(crate) fn full(&self, id: HostId) {
        if let Some(known) = self.lock().get_mut(&id) {
            known.host.agents = known.host.capacity;
        }
    }

    /// Notes that a host was declared dead.
    pub(crate) fn bury(&self, id: HostId, incarnation: Incarnation) {
        if let Some(known) = self.lock().get_mut(&id).filter(|k| k.host.incarnation == incarnation) {
            known.host.state = HostState::Dead;
            known.unsettled = true;
        }
    }

    /// Dead hosts whose agents were not all settled yet.
    pub(crate) fn unsettled(&self) -> Vec<(HostId, Incarnation)> {
        let known = self.lock();
        known.values().filter(|k| k.unsettled).map(|k| (k.host.id, k.host.incarnation)).collect()
    }

    /// Notes that no agent is on a dead host any more.
    pub(crate) fn settled(&self, id: HostId, incarnation: Incarnation) {
        if let Some(known) = self.lock().get_mut(&id).filter(|k| k.host.incarnation == incarnation) {
            known.unsettled = false;
        }
    }

    /// Hosts whose lease is unchanged for `lease`.
    pub(crate) fn lost(&self, lease: Duration, now: Instant) -> Vec<Lost> {
        let known = self.lock();
        let alive = known.values().filter(|k| k.host.state != HostState::Dead);
        let lost = alive.filter(|k| now.duration_since(k.seen) >= lease);
        lost.map(|k| Lost { id: k.host.id, incarnation: k.host.incarnation, seq: k.host.seq }).collect()
    }

    /// A host with room for `image`, none of `except`: the preferred one when it is such a host. It
    /// counts as one agent fuller from now on.
    pub(crate) fn choose(&self, image: &Digest, except: &[HostId], prefer: Option<HostId>) -> Option<To> {
        let mut known = self.lock();
        let view: Vec<HostView<'_>> =
            known.values().filter(|k| k.present).map(|k| HostView { host: &k.host, in_flight: 0 }).collect();
        let need = Need { image, avoid: except };
        let preferred = view.iter().find(|view| Some(view.host.id) == prefer && view.fits(need));
        let id = match preferred {
            Some(view) => view.host.id,
            None => place::choose(&view, need, |n| rand::random_range(0..n))?,
        };
        let host = &mut known.get_mut(&id)?.host;
        host.agents = host.agents.saturating_add(1);
        Some(To { id, address: host.address.clone() })
    }

    /// Whether [`Self::choose`] would find a host.
    pub(crate) fn has_room(&self, image: &Digest) -> bool {
        let known = self.lock();
        let need = Need { image, avoid: &[] };
        known.values().filter(|k| k.present).any(|k| HostView { host: &k.host, in_flight: 0 }.fits(need))
    }

    /// Notes that an agent has left a host.
    pub(crate) fn left(&self, id: HostId) {
        if let Some(known) = self.lock().get_mut(&id) {
            known.host.agents = known.host.agents.saturating_sub(1);
        }
    }

    /// Where a host is, unless it is dead.
    pub(crate) fn to(&self, id: HostId) -> Option<To> {
        let known = self.lock();
        let host = &known.get(&id).filter(|k| k.host.state != HostState::Dead)?.host;
        Some(To { id, address: host.address.clone() })
    }

    /// Where clients reach a host, where they do.
    pub(crate) fn public_url(&self, id: HostId) -> Option<String> {
        self.lock().get(&id)?.host.public_url.clone()
    }

    /// Whether any host takes agents.
    pub(crate) fn any_active(&self) -> bool {
        self.lock().values().any(|k| k.present && k.host.state == HostState::Active)
    }

    /// Whether a host that takes agents has an image.
    pub(crate) fn has_image(&self, image: &Digest) -> bool {
        let known = self.lock();
        let mut active = known.values().filter(|k| k.present && k.host.state == HostState::Active);
        active.any(|k| k.host.images.iter().any(|of| of.digest == *image))
    }

    /// What a spawn's `image` stands for. A host that is away still says what names mean, so that a
    /// spawn right after a restart waits for it as `pending` instead of being refused.
    pub(crate) fn image(&self, name: &str) -> Found {
        let known = self.lock();
        if known.is_empty() {
            return Found::NoHosts;
        }
        let alive = |host: &Host| host.state != HostState::Dead;
        let mut hosts: Vec<&Host> = known.values().map(|k| &k.host).collect();
        hosts.sort_by_key(|host| std::cmp::Reverse((alive(host), host.registered_at)));
        let mut images = hosts.iter().flat_map(|host| &host.images);
        let found = images.find(|image| image.name == name || image.digest.as_str() == name);
        found.map_or(Found::Unknown, |image| Found::Image(image.clone()))
    }

    /// Waits for a host to register, at most for `wait`.
    pub(crate) async fn wait_for_hosts(&self, wait: Duration) {
        let registered = self.registered.notified();
        tokio::pin!(registered);
        registered.as_mut().enable();
        if self.lock().is_empty() {
            let _ = tokio::time::timeout(wait, registered).await;
        }
    }

    /// Every image a living host has, by name; of a name with several digests, the newest host's.
    pub(crate) fn images(&self) -> Vec<Image> {
        let known = self.lock();
        let mut hosts: Vec<&Host> =
            known.values().map(|k| &k.host).filter(|host| host.state != HostState::Dead).collect();
        hosts.sort_by_key(|host| host.registered_at);
        let mut images = BTreeMap::new();
        for image in hosts.iter().flat_map(|host| &host.images) {
            images.insert(image.name.clone(), image.clone());
        }
        images.into_values().collect()
    }

    /// Every host with the age of its lease.
    pub(crate) fn view(&self, now: Instant) -> Vec<(Host, Duration)> {
        self.lock().values().map(|k| (k.host.clone(), now.duration_since(k.seen))).collect()
    }
}
