//! What a tenant and the control plane list.

use std::sync::Arc;

use api::{
    domain::agent::{Agent, Patch},
    store::{Filter, Store},
};
use wire::{
    AgentId, HostId, TenantId,
    agent::{DesiredStatus, Status},
};

use crate::fixture::{bring, change, insert, later, new_agent, spawn, tenant, to};

fn ids(agents: &[Agent]) -> Vec<AgentId> {
    agents.iter().map(|agent| agent.id).collect()
}

/// Agents whose ids have a known order, oldest first.
async fn numbered(store: &Arc<dyn Store>, tenant: TenantId, numbers: std::ops::Range<u128>) -> Vec<AgentId> {
    let mut made = Vec::new();
    for number in numbers {
        let agent = Agent { id: AgentId::from_u128(number), ..new_agent(tenant) };
        made.push(insert(store, agent).await.id);
    }
    made
}

pub(crate) async fn newest_first_in_pages_without_gap_or_repeat(store: &Arc<dyn Store>) {
    let (mine, other) = (tenant(store, 100).await, tenant(store, 100).await);
    let mut expected = numbered(store, mine, 0..25).await;
    numbered(store, other, 100..103).await;
    expected.reverse();
    let mut listed = Vec::new();
    loop {
        let page = store.list_agents(mine, Filter::default(), listed.last().copied(), 10).await.unwrap();
        assert!(page.len() <= 10);
        listed.extend(ids(&page));
        if page.len() < 10 {
            break;
        }
    }
    assert_eq!(listed, expected);
    // A page does not move when newer ones come.
    numbered(store, mine, 30..32).await;
    let page = store.list_agents(mine, Filter::default(), Some(expected[9]), 10).await.unwrap();
    assert_eq!(ids(&page), expected[10..20]);
    assert!(store.list_agents(TenantId::new(), Filter::default(), None, 10).await.unwrap().is_empty());
}

pub(crate) async fn filters_hold_together(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 100).await;
    let all = numbered(store, tenant, 0..6).await;
    let mut odd = new_agent(tenant);
    odd.spec.name = "odd".to_owned();
    odd.id = AgentId::from_u128(10);
    insert(store, odd.clone()).await;
    for (id, status) in [(all[0], Status::Running), (all[1], Status::Failed), (odd.id, Status::Running)] {
        bring(store, id, status).await;
    }
    let list = async |filter: Filter| ids(&store.list_agents(tenant, filter, None, 100).await.unwrap());
    let status = |status: &[Status]| Filter { status: status.to_vec(), ..Filter::default() };
    assert_eq!(list(status(&[Status::Running])).await, [odd.id, all[0]]);
    assert_eq!(list(status(&[Status::Running, Status::Failed])).await, [odd.id, all[1], all[0]]);
    assert_eq!(list(status(&Status::ALL)).await.len(), 7);
    assert!(list(status(&[Status::Suspended])).await.is_empty());
    let named = Filter { name: Some("odd".to_owned()), ..Filter::default() };
    assert_eq!(list(named.clone()).await, [odd.id]);
    assert_eq!(list(Filter { status: vec![Status::Running], ..named.clone() }).await, [odd.id]);
    assert!(list(Filter { status: vec![Status::Failed], ..named }).await.is_empty());
}

pub(crate) async fn a_metadata_filter_is_exact(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 100).await;
    let agent = spawn(store, tenant).await;
    let matches = async |pairs: &[(&str, &str)]| {
        let metadata = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let filter = Filter { metadata, ..Filter::default() };
        let listed = ids(&store.list_agents(tenant, filter, None, 10).await.unwrap());
        assert!(listed.is_empty() || listed == [agent.id]);
        !listed.is_empty()
    };
    assert!(matches(&[("team", "blue")]).await);
    assert!(matches(&[("team", "blue"), ("it's", "a \"test\"")]).await);
    assert!(!matches(&[("team", "blue"), ("it's", "another")]).await);
    assert!(!matches(&[("team", "red")]).await);
    assert!(!matches(&[("team", "")]).await);
    assert!(!matches(&[("te%", "blue")]).await);
    assert!(!matches(&[("x' OR '1'='1", "blue")]).await);
}

pub(crate) async fn pending_is_oldest_first_and_wanted(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 100).await;
    let all = numbered(store, tenant, 0..5).await;
    bring(store, all[1], Status::Starting).await;
    let unwanted = Patch { desired: Some(DesiredStatus::Terminated), ..Patch::default() };
    change(store, all[2], unwanted).await;
    assert_eq!(ids(&store.waiting(None, 10).await.unwrap()), [all[0], all[3], all[4]]);
    assert_eq!(ids(&store.waiting(None, 2).await.unwrap()), [all[0], all[3]]);
    assert_eq!(ids(&store.waiting(Some(all[0]), 1).await.unwrap()), [all[3]]);
    assert_eq!(ids(&store.waiting(Some(all[4]), 10).await.unwrap()), []);
}

pub(crate) async fn overdue_is_most_overdue_first(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 100).await;
    let mut by_deadline = Vec::new();
    for seconds in [30, 10, 20, 40] {
        let agent = Agent { deadline: Some(later(seconds)), ..new_agent(tenant) };
        by_deadline.push(insert(store, agent).await.id);
    }
    let overdue = async |seconds, limit| ids(&store.overdue(later(seconds), limit).await.unwrap());
    assert!(overdue(9, 10).await.is_empty());
    // On the deadline it is passed.
    assert_eq!(overdue(10, 10).await, [by_deadline[1]]);
    assert_eq!(overdue(30, 10).await, [by_deadline[1], by_deadline[2], by_deadline[0]]);
    assert_eq!(overdue(1000, 2).await, [by_deadline[1], by_deadline[2]]);
    // Moved on, with a deadline of its new status; then ended.
    let moved = Patch { deadline: Some(Some(later(500))), ..to(Status::Starting) };
    change(store, by_deadline[1], moved).await;
    assert_eq!(overdue(499, 10).await, [by_deadline[2], by_deadline[0], by_deadline[3]]);
    for id in by_deadline {
        change(store, id, to(Status::Failed)).await;
    }
    assert!(overdue(1_000_000, 10).await.is_empty());
}

pub(crate) async fn a_lifetime_is_overdue_until_the_end_has_begun(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 100).await;
    let agent = Agent { expires_at: Some(later(600)), ..new_agent(tenant) };
    let id = insert(store, agent).await.id;
    bring(store, id, Status::Running).await;
    let overdue = async |seconds| !store.overdue(later(seconds), 10).await.unwrap().is_empty();
    assert!(!overdue(599).await);
    assert!(overdue(600).await);
    let ending = Patch { deadline: Some(Some(later(660))), ..to(Status::Terminating) };
    change(store, id, ending).await;
    assert!(!overdue(659).await);
    assert!(overdue(660).await);
    change(store, id, to(Status::Terminated)).await;
    assert!(!overdue(1_000_000).await);
}

pub(crate) async fn agents_on_a_host_are_not_final(store: &Arc<dyn Store>) {
    let tenant = tenant(store, 100).await;
    let (host, other) = (HostId::new(), HostId::new());
    let all = numbered(store, tenant, 0..4).await;
    for (id, host) in [(all[0], host), (all[1], host), (all[2], other), (all[3], host)] {
        store.assign(id, 0, host, later(30), later(1)).await.unwrap();
    }
    change(store, all[1], to(Status::Failed)).await;
    assert_eq!(ids(&store.agents_on_host(host).await.unwrap()), [all[0], all[3]]);
    change(store, all[3], Patch { host: Some(None), ..to(Status::Pending) }).await;
    assert_eq!(ids(&store.agents_on_host(host).await.unwrap()), [all[0]]);
    assert!(store.agents_on_host(HostId::new()).await.unwrap().is_empty());
}
