//! How long checkpoints and packs are kept: restore, forks, ends, garbage.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use api::{
    domain::agent::{Agent, Expect, Patch},
    store::{CheckpointDeleted, Created, LATE, PACK_GRACE, Store, Written},
};
use jiff::Timestamp;
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use wire::{
    AgentId, CheckpointId, PackId,
    agent::Status,
    checkpoint::{CheckpointKind, Lineage},
    host::{CommitRefusal, ResumeCause, Then},
};

use crate::fixture::{
    at_once, change, commit, commit_of, host, id_of, insert, kept, later, new_agent, running, save, spawn,
    start, taken, tenant, to, try_commit,
};

/// When nothing is too young to be garbage.
fn after_grace() -> Timestamp {
    later(60) + PACK_GRACE
}

/// A copy of an agent as its checkpoint is.
fn fork(parent: &Agent) -> Agent {
    let checkpoint = parent.checkpoint.clone().unwrap();
    Agent {
        parent: Some(Lineage { agent: parent.id, checkpoint: checkpoint.id }),
        checkpoint: Some(checkpoint),
        cause: Some(ResumeCause::Fork),
        ..new_agent(parent.tenant)
    }
}

fn restore(to: &api::domain::checkpoint::Checkpoint, timeline: u64) -> Patch {
    Patch {
        status: Some(Status::Resuming),
        checkpoint: Some(Some(to.at.clone())),
        previous: Some(None),
        timeline: Some(timeline),
        cause: Some(Some(ResumeCause::Restore)),
        digest: Some(to.image.clone()),
        ..Patch::default()
    }
}

pub(crate) async fn a_checkpoint_is_deleted_unless_an_agent_goes_on_from_it(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let mut asked = taken(&agent);
    asked.kind = CheckpointKind::Requested;
    let id = asked.checkpoint.id;
    let agent = commit(store, &host, &agent, Some(asked), Then::Run {}).await;
    for _ in 0..2 {
        assert_eq!(store.delete_checkpoint(id).await.unwrap(), CheckpointDeleted::InUse);
        save(store, &host, agent.id).await;
    }
    assert_eq!(store.delete_checkpoint(id).await.unwrap(), CheckpointDeleted::Done);
    assert_eq!(store.delete_checkpoint(id).await.unwrap(), CheckpointDeleted::Missing);
    assert_eq!(kept(store, agent.id).await.len(), 2);
}

pub(crate) async fn a_restore_goes_back_to_what_is_there(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let mut asked = taken(&agent);
    asked.kind = CheckpointKind::Requested;
    let goal = asked.checkpoint.clone();
    commit(store, &host, &agent, Some(asked), Then::Run {}).await;
    for _ in 0..3 {
        save(store, &host, agent.id).await;
    }
    let before = store.agent(agent.id).await.unwrap().unwrap();
    let goal = store.checkpoint(goal.id).await.unwrap().unwrap();
    let row = change(store, agent.id, restore(&goal, 2)).await;
    assert_eq!((row.status, row.host, row.home), (Status::Resuming, None, Some(host.id)));
    assert_eq!((row.checkpoint, row.previous, row.timeline), (Some(goal.at.clone()), None, 2));
    // What it leaves behind is not kept, and the host it ran on has no say any more.
    assert_eq!(kept(store, agent.id).await, [goal.at.id]);
    let late = commit_of(&before, Some(taken(&before)), Then::Run {});
    assert_eq!(try_commit(store, &host, late).await, Err(CommitRefusal::Stale {}));

    let row = start(store, agent.id, &host).await;
    let row = commit(store, &host, &row, Some(taken(&row)), Then::Run {}).await;
    assert_eq!(row.previous, Some(goal.at));
    let last = store.checkpoint(row.checkpoint.unwrap().id).await.unwrap().unwrap();
    assert_eq!((last.timeline, last.epoch), (2, 2));
    // One that is gone cannot be gone back to.
    let gone = store.checkpoint(before.checkpoint.unwrap().id).await.unwrap();
    assert_eq!(gone, None);
    let nowhere = api::domain::checkpoint::Checkpoint {
        at: wire::checkpoint::CheckpointRef { id: CheckpointId::new(), ..last.at.clone() },
        ..last
    };
    let now_there = store.agent(agent.id).await.unwrap().unwrap();
    let written = store.update_agent(agent.id, Expect::default(), restore(&nowhere, 3), later(3)).await;
    assert_eq!(written.unwrap(), Written::Conflict(now_there));
}

pub(crate) async fn a_fork_keeps_what_it_goes_on_from(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let parent = running(store, tenant, &host).await;
    let parent = save(store, &host, parent.id).await;
    let base = id_of(parent.checkpoint.as_ref()).unwrap();
    let pack = parent.checkpoint.clone().unwrap().pack;
    let child = insert(store, fork(&parent)).await;
    assert_eq!(store.agent(child.id).await.unwrap(), Some(child.clone()));
    for _ in 0..3 {
        save(store, &host, parent.id).await;
    }
    change(store, parent.id, to(Status::Failed)).await;
    assert_eq!(kept(store, parent.id).await, [base]);
    assert_eq!(store.delete_checkpoint(base).await.unwrap(), CheckpointDeleted::InUse);
    assert!(!store.garbage(100, after_grace()).await.unwrap().contains(&pack));

    start(store, child.id, &host).await;
    for _ in 0..2 {
        assert!(store.checkpoint(base).await.unwrap().is_some());
        save(store, &host, child.id).await;
    }
    // With two of its own it needs nothing of its parent's any more.
    assert_eq!(store.checkpoint(base).await.unwrap(), None);
    assert!(store.garbage(100, after_grace()).await.unwrap().contains(&pack));
    assert_eq!(kept(store, child.id).await.len(), 2);
}

pub(crate) async fn a_fork_of_what_is_gone_is_told(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let parent = running(store, tenant, &host).await;
    let parent = save(store, &host, parent.id).await;
    let child = fork(&parent);
    change(store, parent.id, to(Status::Failed)).await;
    assert_eq!(store.create_agent(child.clone(), None).await.unwrap(), Created::CheckpointGone);
    assert_eq!(store.agent(child.id).await.unwrap(), None);
}

pub(crate) async fn an_agent_that_ends_leaves_nothing(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let mut asked = taken(&agent);
    asked.kind = CheckpointKind::Requested;
    let mut packs = vec![asked.checkpoint.pack];
    commit(store, &host, &agent, Some(asked), Then::Run {}).await;
    for _ in 0..3 {
        packs.push(save(store, &host, agent.id).await.checkpoint.unwrap().pack);
    }
    let row = change(store, agent.id, to(Status::Failed)).await;
    assert_eq!((row.checkpoint, row.previous, row.cause, row.wake_at), (None, None, None, None));
    assert!(kept(store, agent.id).await.is_empty());
    let mut garbage = store.garbage(100, after_grace()).await.unwrap();
    garbage.sort_unstable();
    packs.sort_unstable();
    assert_eq!(garbage, packs);
}

pub(crate) async fn a_pack_is_garbage_when_nothing_refers_to_it(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let first = taken(&agent);
    let shared = first.checkpoint.pack;
    let agent = commit(store, &host, &agent, Some(first), Then::Run {}).await;
    // Later ones share what the first one stored.
    let mut row = agent.clone();
    for _ in 0..3 {
        let mut next = taken(&row);
        next.packs.push(shared);
        row = commit(store, &host, &row, Some(next), Then::Run {}).await;
        assert!(!store.garbage(10, after_grace()).await.unwrap().contains(&shared));
    }
    save(store, &host, agent.id).await;
    save(store, &host, agent.id).await;
    // The young are left, wherever a commit may be that refers to them.
    assert!(!store.garbage(10, later(1) + PACK_GRACE).await.unwrap().contains(&shared));
    assert!(store.garbage(10, later(2) + PACK_GRACE).await.unwrap().contains(&shared));
    assert_eq!(store.garbage(1, after_grace()).await.unwrap().len(), 1);
}

pub(crate) async fn packs_that_are_gone_are_told_until_long_after(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    // Its commit is refused, so nothing ever refers to it.
    let mut stale = commit_of(&agent, Some(taken(&agent)), Then::Run {});
    stale.epoch = 7;
    let pack = stale.taken.as_ref().unwrap().checkpoint.pack;
    assert_eq!(try_commit(store, &host, stale).await, Err(CommitRefusal::Stale {}));
    let again = async || {
        let mut taken = taken(&agent);
        (taken.checkpoint.pack, taken.packs) = (pack, vec![pack]);
        try_commit(store, &host, commit_of(&agent, Some(taken), Then::Run {})).await
    };
    let gone = Err(CommitRefusal::PacksGone { packs: vec![pack] });
    for _ in 0..2 {
        // Until it is said to be deleted it is named again.
        assert_eq!(store.garbage(10, after_grace()).await.unwrap(), [pack]);
        assert_eq!(again().await, gone);
    }
    store.forget_pack(pack, later(100)).await.unwrap();
    assert!(store.garbage(10, after_grace()).await.unwrap().is_empty());
    assert_eq!(again().await, gone);
    assert_eq!(store.forget_expired(later(99) + LATE, 10).await.unwrap(), 0);
    assert_eq!(store.forget_expired(later(100) + LATE, 10).await.unwrap(), 1);
    // One that is in use is not forgotten, whatever is said.
    let row = save(store, &host, agent.id).await;
    store.forget_pack(row.checkpoint.unwrap().pack, later(100)).await.unwrap();
    assert_eq!(store.forget_expired(later(100) + LATE, 10).await.unwrap(), 0);
}

pub(crate) async fn a_pack_that_no_commit_brought_is_nobodys(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let agent = save(store, &host, agent.id).await;
    let known = agent.checkpoint.clone().unwrap().pack;
    let late = taken(&agent);
    let found = vec![known, late.checkpoint.pack];
    assert_eq!(store.disown(found, later(9)).await.unwrap(), [late.checkpoint.pack]);
    // Its commit comes after all.
    let gone = Err(CommitRefusal::PacksGone { packs: vec![late.checkpoint.pack] });
    assert_eq!(try_commit(store, &host, commit_of(&agent, Some(late.clone()), Then::Run {})).await, gone);
    assert_eq!(store.garbage(10, later(9)).await.unwrap(), [late.checkpoint.pack]);
    store.forget_pack(late.checkpoint.pack, later(9)).await.unwrap();
    assert_eq!(store.disown(vec![known], later(9)).await.unwrap(), []);
    // Deleted, and there all the same.
    assert_eq!(store.disown(vec![late.checkpoint.pack], later(9)).await.unwrap(), [late.checkpoint.pack]);
}

pub(crate) async fn a_commit_and_the_garbage_never_both_have_a_pack(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 100).await, host(store).await);
    for _ in 0..16 {
        let agent = running(store, tenant, &host).await;
        let mut stale = commit_of(&agent, Some(taken(&agent)), Then::Run {});
        stale.epoch = 7;
        let pack = stale.taken.as_ref().unwrap().checkpoint.pack;
        assert_eq!(try_commit(store, &host, stale).await, Err(CommitRefusal::Stale {}));
        // One commits what it believes to be there, the other collects it.
        let answers = at_once(2, |index| {
            let (store, host, agent) = (Arc::clone(store), host.clone(), agent.clone());
            async move {
                if index == 0 {
                    return store.garbage(100, after_grace()).await.unwrap().contains(&pack);
                }
                let mut taken = taken(&agent);
                taken.packs.push(pack);
                let asked = commit_of(&agent, Some(taken), Then::Run {});
                let answer = try_commit(&store, &host, asked).await;
                assert!(answer == Ok(()) || answer == Err(CommitRefusal::PacksGone { packs: vec![pack] }));
                answer.is_ok()
            }
        })
        .await;
        assert_eq!(answers.into_iter().filter(|has_it| *has_it).count(), 1);
        let is_kept = !store.checkpoints(agent.id, None, 1).await.unwrap().is_empty();
        assert_eq!(store.garbage(100, after_grace()).await.unwrap().contains(&pack), !is_kept);
    }
}

/// What may happen, to the agent of this number of those that live.
#[derive(Debug, Clone)]
enum Step {
    Save { agent: usize, shares: Vec<usize>, asked: bool },
    Fork(usize),
    Restore(usize, usize),
    FallBack(usize),
    Delete(usize),
    End(usize),
    Collect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let any = 0..64_usize;
    let step = prop_oneof![
        6 => (any.clone(), prop::collection::vec(any.clone(), 0..4), prop::bool::weighted(0.2))
            .prop_map(|(agent, shares, asked)| Step::Save { agent, shares, asked }),
        2 => any.clone().prop_map(Step::Fork),
        1 => (any.clone(), any.clone()).prop_map(|(agent, to)| Step::Restore(agent, to)),
        1 => any.clone().prop_map(Step::FallBack),
        1 => any.clone().prop_map(Step::Delete),
        1 => any.prop_map(Step::End),
        3 => Just(Step::Collect),
    ];
    prop::collection::vec(step, 1..60)
}

/// What is known of a store besides what it says.
#[derive(Default)]
struct Known {
    live: Vec<AgentId>,
    packs: BTreeMap<CheckpointId, BTreeSet<PackId>>,
    deleted: BTreeSet<PackId>,
}

pub(crate) async fn no_pack_goes_that_an_agent_can_go_on_from(store: &Arc<dyn Store>) {
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..12 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let mut known = Known::default();
        let tenant = tenant(store, 1000).await;
        let host = host(store).await;
        for _ in 0..2 {
            known.live.push(start(store, spawn(store, tenant).await.id, &host).await.id);
        }
        for (at, step) in steps.iter().enumerate() {
            if known.live.is_empty() {
                break;
            }
            let happened = || format!("{:?}", &steps[..=at]);
            take(store, &host, &mut known, step).await;
            for id in &known.live {
                let row = store.agent(*id).await.unwrap().unwrap();
                for at in [&row.checkpoint, &row.previous].into_iter().flatten() {
                    assert!(store.checkpoint(at.id).await.unwrap().is_some(), "{}", happened());
                    assert!(known.packs[&at.id].is_disjoint(&known.deleted), "{}", happened());
                }
            }
        }
        // And nothing stays for good.
        for id in std::mem::take(&mut known.live) {
            change(store, id, to(Status::Failed)).await;
        }
        take(store, &host, &mut known, &Step::Collect).await;
        let all: BTreeSet<_> = known.packs.values().flatten().copied().collect();
        assert!(all.is_subset(&known.deleted), "{steps:?}");
    }
}

async fn take(store: &Arc<dyn Store>, host: &api::domain::host::Host, known: &mut Known, step: &Step) {
    let row = async |number: usize| {
        let id = known.live[number % known.live.len()];
        store.agent(id).await.unwrap().unwrap()
    };
    match step {
        Step::Save { agent, shares, asked } => {
            let agent = row(*agent).await;
            let mut taken = taken(&agent);
            if *asked {
                taken.kind = CheckpointKind::Requested;
            }
            // A host may believe in any pack there ever was.
            let all: Vec<_> = known.packs.values().flatten().copied().collect();
            taken.packs.extend(shares.iter().filter_map(|number| all.get(*number)));
            let packs: BTreeSet<_> = taken.packs.iter().copied().collect();
            let id = taken.checkpoint.id;
            match try_commit(store, host, commit_of(&agent, Some(taken), Then::Run {})).await {
                Ok(()) => drop(known.packs.insert(id, packs)),
                Err(CommitRefusal::PacksGone { packs: gone }) => {
                    assert!(gone.iter().all(|pack| known.deleted.contains(pack)));
                    // Stored for nothing: garbage, as all the rest.
                    known.packs.insert(id, packs.into_iter().filter(|pack| !gone.contains(pack)).collect());
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        Step::Fork(agent) => {
            let parent = row(*agent).await;
            if parent.checkpoint.is_some() {
                let child = insert(store, fork(&parent)).await.id;
                start(store, child, host).await;
                known.live.push(child);
            }
        }
        Step::Restore(agent, to) => {
            let agent = row(*agent).await;
            let rows = store.checkpoints(agent.id, None, 100).await.unwrap();
            if !rows.is_empty() {
                let goal = &rows[to % rows.len()];
                change(store, agent.id, restore(goal, agent.timeline + 1)).await;
                start(store, agent.id, host).await;
            }
        }
        Step::FallBack(agent) => {
            let agent = row(*agent).await;
            if let Some(previous) = agent.previous {
                let back =
                    Patch { checkpoint: Some(Some(previous)), previous: Some(None), ..Patch::default() };
                change(store, agent.id, back).await;
            }
        }
        Step::Delete(number) => {
            let all: Vec<_> = known.packs.keys().copied().collect();
            if !all.is_empty() {
                store.delete_checkpoint(all[number % all.len()]).await.unwrap();
            }
        }
        Step::End(agent) => {
            let id = row(*agent).await.id;
            change(store, id, to(Status::Failed)).await;
            known.live.retain(|live| *live != id);
        }
        Step::Collect => {
            for pack in store.garbage(1000, after_grace()).await.unwrap() {
                known.deleted.insert(pack);
                store.forget_pack(pack, after_grace()).await.unwrap();
            }
        }
    }
}
