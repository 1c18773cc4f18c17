//! One row, its changes and its tenant's quota.

use std::sync::Arc;

use api::{
    domain::{
        agent::{Expect, Patch},
        state,
    },
    store::{Created, Store, Written},
};
use wire::{
    AgentId, HostId, TenantId,
    agent::{DesiredStatus, Status, StatusReason},
};

use crate::fixture::{at_once, bring, change, insert, later, new_agent, now, spawn, tenant, to};

pub(crate) async fn an_agent_reads_back_whole(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let mut agent = new_agent(tenant);
    agent.expires_at = Some(later(3600));
    assert_eq!(store.create_agent(agent.clone(), None).await.unwrap(), Created::Created(agent.clone()));
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(agent.clone()));

    let patch = Patch {
        status: Some(Status::Starting),
        desired: Some(DesiredStatus::Suspended),
        reason: Some(Some(StatusReason::Scheduling)),
        detail: Some(Some("waiting\nfor \u{1f41a}".to_owned())),
        host: Some(Some(HostId::new())),
        deadline: Some(Some(later(30))),
        ran: Some(true),
        started_at: Some(later(2)),
        ..Patch::default()
    };
    let changed = change(store, agent.id, patch.clone()).await;
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(changed.clone()));
    assert_eq!((changed.status, changed.desired), (Status::Starting, DesiredStatus::Suspended));
    assert_eq!((changed.reason, changed.detail.clone()), (patch.reason.unwrap(), patch.detail.unwrap()));
    assert_eq!((changed.host, changed.deadline), (patch.host.unwrap(), patch.deadline.unwrap()));
    assert_eq!((changed.ran, changed.started_at), (true, patch.started_at));
    assert_eq!((changed.spec, changed.metadata), (agent.spec, agent.metadata));
    assert_eq!(changed.expires_at, agent.expires_at);

    let cleared = Patch {
        reason: Some(None),
        detail: Some(None),
        host: Some(None),
        deadline: Some(None),
        ..Patch::default()
    };
    let cleared = change(store, agent.id, cleared).await;
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(cleared.clone()));
    assert_eq!((cleared.reason, cleared.detail, cleared.host, cleared.deadline), (None, None, None, None));
    assert!(cleared.ran);
}

pub(crate) async fn what_is_not_there_is_missing(store: &Arc<dyn Store>) {
    let id = AgentId::new();
    assert_eq!(store.agent(id).await.unwrap(), None);
    let updated = store.update_agent(id, Expect::default(), Patch::default(), now()).await.unwrap();
    assert_eq!(updated, Written::Missing);
    let assigned = store.assign(id, 0, HostId::new(), later(30), now()).await.unwrap();
    assert_eq!(assigned, Written::Missing);
}

pub(crate) async fn a_change_raises_version_and_time_and_leaves_the_rest(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let agent = spawn(store, tenant).await;
    let expect = Expect { epoch: Some(0), version: Some(1), status: vec![Status::Pending, Status::Running] };
    let patch = Patch { detail: Some(Some("x".to_owned())), ..Patch::default() };
    let Written::Done(changed) = store.update_agent(agent.id, expect, patch, later(5)).await.unwrap() else {
        panic!("not done")
    };
    let mut expected = agent.clone();
    expected.detail = Some("x".to_owned());
    expected.version = 2;
    expected.updated_at = later(5);
    assert_eq!(changed, expected);
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(expected));
}

pub(crate) async fn an_expectation_that_does_not_hold_changes_nothing(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let agent = spawn(store, tenant).await;
    for expect in [
        Expect { epoch: Some(1), ..Expect::default() },
        Expect { version: Some(0), ..Expect::default() },
        Expect { version: Some(u64::MAX), ..Expect::default() },
        Expect { status: vec![Status::Running, Status::Starting], ..Expect::default() },
    ] {
        let written = store.update_agent(agent.id, expect, to(Status::Starting), later(1)).await.unwrap();
        assert_eq!(written, Written::Conflict(agent.clone()));
    }
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(agent));
}

pub(crate) async fn an_illegal_transition_changes_nothing(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 1000).await;
    for from in Status::ALL {
        let agent = spawn(store, tenant).await;
        let agent = bring(store, agent.id, from).await;
        for status in Status::ALL.into_iter().filter(|status| !state::legal(from, *status)) {
            let expect = Expect::default();
            let written = store.update_agent(agent.id, expect, to(status), later(9)).await.unwrap();
            assert_eq!(written, Written::Conflict(agent.clone()), "{from:?} to {status:?}");
        }
        assert_eq!(store.agent(agent.id).await.unwrap(), Some(agent));
    }
}

pub(crate) async fn of_two_writers_with_the_same_version_one_wins(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let agent = spawn(store, tenant).await;
    let written = at_once(16, |index| {
        let (store, id) = (Arc::clone(store), agent.id);
        async move {
            let expect = Expect { version: Some(1), ..Expect::default() };
            let patch = Patch { detail: Some(Some(index.to_string())), ..Patch::default() };
            store.update_agent(id, expect, patch, now()).await.unwrap()
        }
    })
    .await;
    let done: Vec<_> = written.iter().filter(|w| matches!(w, Written::Done(_))).collect();
    let now_there = store.agent(agent.id).await.unwrap().unwrap();
    assert_eq!(done, [&Written::Done(now_there.clone())]);
    assert_eq!(now_there.version, 2);
}

pub(crate) async fn of_many_assignments_of_one_epoch_one_wins(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let agent = spawn(store, tenant).await;
    let hosts: Vec<_> = (0..16).map(|_| HostId::new()).collect();
    let written = at_once(16, |index| {
        let (store, id, host) = (Arc::clone(store), agent.id, hosts[index]);
        async move { store.assign(id, 0, host, later(30), later(1)).await.unwrap() }
    })
    .await;
    let mut winners = written.into_iter().filter_map(|w| match w {
        Written::Done(agent) => Some(agent),
        Written::Conflict(_) | Written::Missing => None,
    });
    let winner = winners.next().unwrap();
    assert_eq!(winners.next(), None);
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(winner.clone()));
    assert_eq!((winner.status, winner.epoch, winner.version), (Status::Starting, 1, 2));
    assert_eq!((winner.deadline, winner.updated_at), (Some(later(30)), later(1)));
    assert_eq!((winner.reason, winner.detail), (None, None));
    for host in hosts {
        let there = store.agents_on_host(host).await.unwrap().len();
        assert_eq!(there, usize::from(Some(host) == winner.host));
    }
}

pub(crate) async fn only_an_agent_that_waits_and_is_wanted_is_assigned(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 100).await;
    let assign = async |id, epoch| store.assign(id, epoch, HostId::new(), later(30), now()).await.unwrap();
    for status in Status::ALL.into_iter().filter(|status| *status != Status::Pending) {
        let agent = spawn(store, tenant).await;
        bring(store, agent.id, status).await;
        // Also those that may move, while they are somewhere.
        let there = Patch { host: Some(Some(HostId::new())), ..Patch::default() };
        let agent = change(store, agent.id, there).await;
        assert_eq!(assign(agent.id, agent.epoch).await, Written::Conflict(agent));
    }
    for status in [Status::Resuming, Status::Migrating] {
        let agent = spawn(store, tenant).await;
        let agent = bring(store, agent.id, status).await;
        let Written::Done(assigned) = assign(agent.id, 0).await else { panic!("{status:?}") };
        assert_eq!((assigned.status, assigned.epoch), (status, 1));
        assert_eq!(assigned.home, assigned.host);
    }
    let agent = spawn(store, tenant).await;
    assert_eq!(assign(agent.id, 1).await, Written::Conflict(agent.clone()));
    for desired in [DesiredStatus::Suspended, DesiredStatus::Terminated] {
        let unwanted = change(store, agent.id, Patch { desired: Some(desired), ..Patch::default() }).await;
        assert_eq!(assign(agent.id, 0).await, Written::Conflict(unwanted));
    }
}

pub(crate) async fn a_write_with_an_older_epoch_is_refused(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let agent = spawn(store, tenant).await;
    store.assign(agent.id, 0, HostId::new(), later(30), now()).await.unwrap();
    change(store, agent.id, Patch { host: Some(None), ..to(Status::Pending) }).await;
    store.assign(agent.id, 1, HostId::new(), later(30), now()).await.unwrap();
    let second = store.agent(agent.id).await.unwrap().unwrap();
    assert_eq!(second.epoch, 2);
    let late = Expect { epoch: Some(1), ..Expect::default() };
    let written = store.update_agent(agent.id, late, to(Status::Running), now()).await.unwrap();
    assert_eq!(written, Written::Conflict(second));
}

pub(crate) async fn transient_statuses_have_a_deadline_and_no_others(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 100).await;
    for status in Status::ALL.into_iter().filter(|status| *status != Status::Pending) {
        let agent = spawn(store, tenant).await;
        let agent = bring(store, agent.id, status).await;
        assert_eq!(agent.deadline, state::deadline(status, agent.updated_at), "{status:?}");
        // One that is said counts, where there may be one.
        let said = Patch { deadline: Some(Some(later(7))), ..Patch::default() };
        let is_transient = state::deadline_seconds(status).is_some();
        assert_eq!(
            change(store, agent.id, said).await.deadline,
            is_transient.then(|| later(7)),
            "{status:?}"
        );
    }
}

pub(crate) async fn the_quota_counts_live_agents(store: &Arc<dyn Store>) {
    let (mine, other) = (tenant(store, 2).await, tenant(store, 1).await);
    let first = spawn(store, mine).await;
    let second = spawn(store, mine).await;
    let refused = Created::QuotaExceeded { max_agents: 2 };
    let over = new_agent(mine);
    assert_eq!(store.create_agent(over.clone(), None).await.unwrap(), refused);
    assert_eq!(store.agent(over.id).await.unwrap(), None);
    spawn(store, other).await;

    bring(store, first.id, Status::Terminating).await;
    assert_eq!(store.create_agent(new_agent(mine), None).await.unwrap(), refused);
    for (freed, status) in [(first, Status::Terminated), (second, Status::Failed)] {
        change(store, freed.id, to(status)).await;
        insert(store, new_agent(mine)).await;
        assert_eq!(store.create_agent(new_agent(mine), None).await.unwrap(), refused);
    }
}

pub(crate) async fn the_quota_holds_under_a_race(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let created = at_once(32, |_| {
        let store = Arc::clone(store);
        async move { store.create_agent(new_agent(tenant), None).await.unwrap() }
    })
    .await;
    assert_eq!(created.iter().filter(|c| matches!(c, Created::Created(_))).count(), 10);
}

pub(crate) async fn a_tenant_that_is_not_there_has_no_quota(store: &Arc<dyn Store>) {
    let created = store.create_agent(new_agent(TenantId::new()), None).await.unwrap();
    assert_eq!(created, Created::QuotaExceeded { max_agents: 0 });
}
