//! A spawn done once however often it is asked for.

use std::{collections::HashSet, sync::Arc};

use api::store::{Created, Idempotency, Store};
use wire::agent::Status;

use crate::fixture::{at_once, bring, change, later, new_agent, tenant, to};

fn key(fingerprint: u8) -> Option<Idempotency> {
    Some(Idempotency {
        key: "nightly 'job'".to_owned(),
        fingerprint: [fingerprint; 32],
        expires_at: later(86_400),
    })
}

pub(crate) async fn a_replay_gives_the_row_as_it_is_now(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    let agent = new_agent(tenant);
    let created = store.create_agent(agent.clone(), key(1)).await.unwrap();
    assert_eq!(created, Created::Created(agent.clone()));
    let running = bring(store, agent.id, Status::Running).await;
    let again = new_agent(tenant);
    assert_eq!(store.create_agent(again.clone(), key(1)).await.unwrap(), Created::Replayed(running));
    assert_eq!(store.agent(again.id).await.unwrap(), None);
    // Also when it is over by now: it is not made a second time.
    let ended = change(store, agent.id, to(Status::Failed)).await;
    assert_eq!(store.create_agent(again, key(1)).await.unwrap(), Created::Replayed(ended));
}

pub(crate) async fn a_key_with_another_body_is_told(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    store.create_agent(new_agent(tenant), key(1)).await.unwrap();
    let other = new_agent(tenant);
    assert_eq!(store.create_agent(other.clone(), key(2)).await.unwrap(), Created::KeyReused);
    assert_eq!(store.agent(other.id).await.unwrap(), None);
}

pub(crate) async fn a_key_is_the_tenants_own(store: &Arc<dyn Store>) {
    for tenant in [tenant(store, 10).await, tenant(store, 10).await] {
        let agent = new_agent(tenant);
        let created = store.create_agent(agent.clone(), key(1)).await.unwrap();
        assert_eq!(created, Created::Created(agent));
    }
}

pub(crate) async fn a_key_is_forgotten_when_it_expires(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 10).await;
    store.create_agent(new_agent(tenant), key(1)).await.unwrap();
    let mut next_day = new_agent(tenant);
    next_day.created_at = later(86_400);
    let tomorrow = Idempotency { expires_at: later(2 * 86_400), ..key(2).unwrap() };
    // Whether or not the sweeper has been there.
    let created = store.create_agent(next_day.clone(), Some(tomorrow.clone())).await.unwrap();
    assert_eq!(created, Created::Created(next_day.clone()));
    let mut again = new_agent(tenant);
    again.created_at = later(86_401);
    assert_eq!(store.create_agent(again, Some(tomorrow)).await.unwrap(), Created::Replayed(next_day));
}

pub(crate) async fn a_replay_is_not_held_to_the_quota(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 1).await;
    let agent = new_agent(tenant);
    store.create_agent(agent.clone(), key(1)).await.unwrap();
    assert_eq!(store.create_agent(new_agent(tenant), key(1)).await.unwrap(), Created::Replayed(agent));
}

pub(crate) async fn a_spawn_over_quota_leaves_its_key_free(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 1).await;
    let first = new_agent(tenant);
    store.create_agent(first.clone(), None).await.unwrap();
    let refused = store.create_agent(new_agent(tenant), key(1)).await.unwrap();
    assert_eq!(refused, Created::QuotaExceeded { max_agents: 1 });
    bring(store, first.id, Status::Failed).await;
    let agent = new_agent(tenant);
    assert_eq!(store.create_agent(agent.clone(), key(1)).await.unwrap(), Created::Created(agent));
}

pub(crate) async fn of_many_spawns_with_one_key_one_is_made(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 100).await;
    let answers = at_once(16, |_| {
        let store = Arc::clone(store);
        async move { store.create_agent(new_agent(tenant), key(1)).await.unwrap() }
    })
    .await;
    let made = answers.iter().filter(|answer| matches!(answer, Created::Created(_))).count();
    let ids: HashSet<_> = answers
        .into_iter()
        .map(|answer| match answer {
            Created::Created(agent) | Created::Replayed(agent) => agent.id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((made, ids.len()), (1, 1));
}
