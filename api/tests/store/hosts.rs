//! Leases.

use std::sync::Arc;

use api::{domain::host::Host, store::Store};
use wire::{
    HostId, Incarnation,
    fleet::HostState,
    host::{Heartbeat, Lease},
};

use crate::fixture::{at_once, later, new_host, now};

fn beat(host: &Host, seq: u64) -> Heartbeat {
    Heartbeat { incarnation: host.incarnation, seq, agents: 9, memory_bytes: 77, draining: false }
}

async fn registered(store: &Arc<dyn Store>) -> Host {
    let host = new_host();
    store.register_host(host.clone()).await.unwrap();
    host
}

async fn only(store: &Arc<dyn Store>) -> Host {
    let mut hosts = store.hosts().await.unwrap();
    assert_eq!(hosts.len(), 1);
    hosts.remove(0)
}

pub(crate) async fn a_host_reads_back_fresh_and_active(store: &Arc<dyn Store>) {
    assert!(store.hosts().await.unwrap().is_empty());
    let host = new_host();
    let claimed = Host { seq: 40, state: HostState::Draining, ..host.clone() };
    store.register_host(claimed).await.unwrap();
    assert_eq!(only(store).await, host);
}

pub(crate) async fn a_renewal_is_seen_and_can_be_repeated(store: &Arc<dyn Store>) {
    let host = registered(store).await;
    for _ in 0..2 {
        // The second time its answer was lost.
        let lease = store.renew_host(host.id, beat(&host, 1), later(5)).await.unwrap();
        assert_eq!(lease, Lease::Renewed);
    }
    let expected = Host { seq: 1, agents: 9, memory_bytes: 77, renewed_at: later(5), ..host };
    assert_eq!(only(store).await, expected);
}

pub(crate) async fn a_lease_is_fenced_for_all_but_its_holder(store: &Arc<dyn Store>) {
    let host = registered(store).await;
    let unknown = store.renew_host(HostId::new(), beat(&host, 1), now()).await.unwrap();
    assert_eq!(unknown, Lease::Unknown);
    assert_eq!(store.renew_host(host.id, beat(&host, 5), now()).await.unwrap(), Lease::Renewed);
    let renewed = only(store).await;
    let stranger = Heartbeat { incarnation: Incarnation::new(), ..beat(&host, 6) };
    for beat in [stranger, beat(&host, 4)] {
        assert_eq!(store.renew_host(host.id, beat, later(1)).await.unwrap(), Lease::Fenced);
    }
    assert_eq!(only(store).await, renewed);
    assert!(store.bury_host(host.id, host.incarnation, 5).await.unwrap());
    let late = store.renew_host(host.id, beat(&host, 6), later(2)).await.unwrap();
    assert_eq!(late, Lease::Fenced);
    assert_eq!(only(store).await.state, HostState::Dead);
}

pub(crate) async fn a_new_incarnation_supersedes_and_revives(store: &Arc<dyn Store>) {
    let old = registered(store).await;
    store.renew_host(old.id, beat(&old, 7), now()).await.unwrap();
    let new = Host { incarnation: Incarnation::new(), address: "10.0.0.8:1".to_owned(), ..old.clone() };
    store.register_host(new.clone()).await.unwrap();
    assert_eq!(only(store).await, new);
    assert_eq!(store.renew_host(old.id, beat(&old, 8), now()).await.unwrap(), Lease::Fenced);
    assert!(!store.bury_host(old.id, old.incarnation, 7).await.unwrap());
    assert!(store.bury_host(new.id, new.incarnation, 0).await.unwrap());
    let newest = Host { incarnation: Incarnation::new(), ..new };
    store.register_host(newest.clone()).await.unwrap();
    assert_eq!(only(store).await, newest);
    assert_eq!(store.renew_host(newest.id, beat(&newest, 1), now()).await.unwrap(), Lease::Renewed);
}

pub(crate) async fn a_host_is_buried_once_and_only_as_it_was_seen(store: &Arc<dyn Store>) {
    let host = registered(store).await;
    store.renew_host(host.id, beat(&host, 1), now()).await.unwrap();
    assert!(!store.bury_host(host.id, host.incarnation, 0).await.unwrap());
    assert!(!store.bury_host(host.id, Incarnation::new(), 1).await.unwrap());
    assert!(!store.bury_host(HostId::new(), host.incarnation, 1).await.unwrap());
    assert_eq!(only(store).await.state, HostState::Active);
    let buried = at_once(16, |_| {
        let (store, host) = (Arc::clone(store), host.clone());
        async move { store.bury_host(host.id, host.incarnation, 1).await.unwrap() }
    })
    .await;
    assert_eq!(buried.into_iter().filter(|done| *done).count(), 1);
    // The newly dead are still shown.
    assert_eq!(only(store).await.state, HostState::Dead);
}

pub(crate) async fn a_host_that_drains_says_so(store: &Arc<dyn Store>) {
    let host = registered(store).await;
    let draining = Heartbeat { draining: true, ..beat(&host, 1) };
    assert_eq!(store.renew_host(host.id, draining, now()).await.unwrap(), Lease::Renewed);
    assert_eq!(only(store).await.state, HostState::Draining);
    assert!(store.bury_host(host.id, host.incarnation, 1).await.unwrap());
}
