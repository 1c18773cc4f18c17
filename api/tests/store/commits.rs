//! What hosts commit, and who may.

use std::sync::Arc;

use api::{
    domain::{agent::Patch, checkpoint::Checkpoint},
    store::{Committed, MAX_PACKS, Store},
};
use wire::{
    AgentId, CheckpointId, Digest, HostId, Incarnation, PackId,
    agent::{DesiredStatus, Status, StatusReason},
    checkpoint::CheckpointKind,
    host::{CommitRefusal, CommitRefused, Commits, ResumeCause, Then},
};

use crate::fixture::{
    assign, bring, change, commit, commit_of, commits, host, id_of, kept, later, new_host, now, running,
    save, spawn, start, taken, tenant, to, try_commit,
};

const IDLE: Then = Then::Suspend { reason: StatusReason::IdleTimeout, parked: false };
const PARKED: Then = Then::Suspend { reason: StatusReason::UserRequest, parked: true };

pub(crate) async fn a_commit_reads_back_whole(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let mut taken = taken(&agent);
    (taken.kind, taken.note) = (CheckpointKind::Requested, Some("before \"it\"".to_owned()));
    taken.parent = Some(CheckpointId::from_u128(5));
    let mut asked = commit_of(&agent, Some(taken.clone()), Then::Run {});
    asked.wake_at = Some(later(99));
    let answer = store.commit(host.id, commits(&host, vec![asked]), later(9)).await.unwrap();
    assert_eq!(answer, Committed::Done { refused: Vec::new(), moved: Vec::new() });

    let row = store.agent(agent.id).await.unwrap().unwrap();
    let mut expected = agent.clone();
    expected.checkpoint = Some(taken.checkpoint.clone());
    (expected.wake_at, expected.version, expected.updated_at) = (Some(later(99)), 4, later(9));
    assert_eq!(row, expected);
    let expected = Checkpoint {
        at: taken.checkpoint.clone(),
        agent: agent.id,
        parent: taken.parent,
        kind: CheckpointKind::Requested,
        note: taken.note,
        image: taken.image,
        epoch: 1,
        timeline: 1,
        size_bytes: taken.size_bytes,
        unique_bytes: taken.unique_bytes,
        inbox: 0,
        created_at: later(9),
    };
    assert_eq!(store.checkpoint(taken.checkpoint.id).await.unwrap(), Some(expected.clone()));
    assert_eq!(store.checkpoints(agent.id, None, 10).await.unwrap(), [expected]);
    assert_eq!(store.checkpoint(CheckpointId::new()).await.unwrap(), None);
}

pub(crate) async fn the_last_two_are_kept_and_those_that_were_asked_for(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let mut agent = running(store, tenant, &host).await;
    let mut made = Vec::new();
    for number in 0..6 {
        let mut taken = taken(&agent);
        if number == 2 {
            taken.kind = CheckpointKind::Requested;
        }
        made.push(taken.checkpoint.id);
        let before = id_of(agent.checkpoint.as_ref());
        agent = commit(store, &host, &agent, Some(taken), Then::Run {}).await;
        assert_eq!(id_of(agent.checkpoint.as_ref()), made.last().copied());
        assert_eq!(id_of(agent.previous.as_ref()), before);
    }
    assert_eq!(kept(store, agent.id).await, [made[5], made[4], made[2]]);
    let page = store.checkpoints(agent.id, Some(made[4]), 10).await.unwrap();
    assert_eq!(page.into_iter().map(|row| row.at.id).collect::<Vec<_>>(), [made[2]]);
    assert_eq!(store.checkpoints(agent.id, None, 1).await.unwrap()[0].at.id, made[5]);
}

pub(crate) async fn a_host_without_its_lease_commits_nothing(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let asked = || commits(&host, vec![commit_of(&agent, Some(taken(&agent)), Then::Run {})]);
    let strange = Commits { incarnation: Incarnation::new(), ..asked() };
    assert_eq!(store.commit(host.id, strange, later(2)).await.unwrap(), Committed::Fenced);
    assert_eq!(store.commit(HostId::new(), asked(), later(2)).await.unwrap(), Committed::Fenced);
    assert!(store.bury_host(host.id, host.incarnation, 0).await.unwrap());
    assert_eq!(store.commit(host.id, asked(), later(2)).await.unwrap(), Committed::Fenced);
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(agent.clone()));
    assert!(kept(store, agent.id).await.is_empty());
}

pub(crate) async fn a_commit_of_another_placement_is_stale(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let mut other = new_host();
    other.id = HostId::new();
    store.register_host(other.clone()).await.unwrap();
    let agent = running(store, tenant, &host).await;
    for then in [Then::Run {}, IDLE, PARKED, Then::Release {}] {
        for (by, epoch) in [(&host, 0), (&host, 2), (&other, 1)] {
            let mut asked = commit_of(&agent, Some(taken(&agent)), then);
            asked.epoch = epoch;
            assert_eq!(try_commit(store, by, asked).await, Err(CommitRefusal::Stale {}), "{then:?}");
        }
    }
    let mut nobody = commit_of(&agent, None, Then::Run {});
    nobody.agent = AgentId::new();
    assert_eq!(try_commit(store, &host, nobody).await, Err(CommitRefusal::Stale {}));
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(agent.clone()));
    change(store, agent.id, to(Status::Failed)).await;
    let late = commit_of(&agent, Some(taken(&agent)), Then::Run {});
    assert_eq!(try_commit(store, &host, late).await, Err(CommitRefusal::Stale {}));
}

pub(crate) async fn of_many_commits_each_is_judged_alone(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let (one, two) = (running(store, tenant, &host).await, running(store, tenant, &host).await);
    let gone = PackId::new();
    let mut broken = taken(&two);
    broken.packs.push(gone);
    let asked = vec![commit_of(&two, Some(broken), IDLE), commit_of(&one, Some(taken(&one)), IDLE)];
    let answer = store.commit(host.id, commits(&host, asked), later(2)).await.unwrap();
    let Committed::Done { refused, moved } = answer else { panic!("fenced") };
    let why = CommitRefusal::PacksGone { packs: vec![gone] };
    assert_eq!(refused, [CommitRefused { agent: two.id, why }]);
    assert_eq!(moved, [store.agent(one.id).await.unwrap().unwrap()]);
    assert_eq!(moved[0].status, Status::Suspended);
    assert_eq!(store.agent(two.id).await.unwrap(), Some(two));
}

pub(crate) async fn a_commit_again_is_recorded_once(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    for then in [Then::Run {}, IDLE, PARKED, Then::Release {}] {
        for has_taken in [true, false] {
            let mut agent = running(store, tenant, &host).await;
            agent = save(store, &host, agent.id).await;
            let asked = commit_of(&agent, has_taken.then(|| taken(&agent)), then);
            assert_eq!(try_commit(store, &host, asked.clone()).await, Ok(()));
            let after = store.agent(agent.id).await.unwrap();
            let checkpoints = kept(store, agent.id).await;
            assert_eq!(try_commit(store, &host, asked).await, Ok(()), "{then:?}");
            assert_eq!(store.agent(agent.id).await.unwrap(), after);
            assert_eq!(kept(store, agent.id).await, checkpoints);
            assert_eq!(checkpoints.len(), 1 + usize::from(has_taken));
            change(store, agent.id, to(Status::Failed)).await;
        }
    }
}

pub(crate) async fn a_commit_whose_answer_was_lost_is_recorded_though_the_agent_is_awake_again(
    store: &Arc<dyn Store>,
) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let asked = commit_of(&agent, Some(taken(&agent)), PARKED);
    assert_eq!(try_commit(store, &host, asked.clone()).await, Ok(()));
    let awake = change(store, agent.id, to(Status::Resuming)).await;
    assert_eq!(try_commit(store, &host, asked.clone()).await, Ok(()));
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(awake));
    assign(store, agent.id, &host).await;
    assert_eq!(try_commit(store, &host, asked).await, Err(CommitRefusal::Stale {}));
}

pub(crate) async fn a_late_copy_of_an_older_commit_changes_nothing(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let old = commit_of(&agent, Some(taken(&agent)), Then::Run {});
    assert_eq!(try_commit(store, &host, old.clone()).await, Ok(()));
    for _ in 0..3 {
        save(store, &host, agent.id).await;
        let before = store.agent(agent.id).await.unwrap();
        assert_eq!(try_commit(store, &host, old.clone()).await, Ok(()));
        assert_eq!(store.agent(agent.id).await.unwrap(), before);
    }
    assert_eq!(kept(store, agent.id).await.len(), 2);
}

pub(crate) async fn a_suspended_agent_is_parked_or_on_no_host(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    for (then, from) in [(IDLE, Status::Running), (PARKED, Status::Running), (PARKED, Status::Suspending)] {
        let agent = running(store, tenant, &host).await;
        let wanted = Patch { desired: Some(DesiredStatus::Suspended), ..Patch::default() };
        let agent = change(store, agent.id, wanted).await;
        if from != agent.status {
            change(store, agent.id, to(from)).await;
        }
        let Then::Suspend { reason, parked } = then else { panic!() };
        let row = commit(store, &host, &agent, Some(taken(&agent)), then).await;
        assert_eq!((row.status, row.reason, row.deadline), (Status::Suspended, Some(reason), None));
        assert_eq!((row.host, row.home), (parked.then_some(host.id), Some(host.id)));
        assert_eq!((row.cause, row.epoch), (Some(ResumeCause::Suspend), 1));
        assert_eq!(row.desired, DesiredStatus::Suspended);
        let there = store.agents_on_host(host.id).await.unwrap().iter().any(|there| there.id == row.id);
        assert_eq!(there, parked);
        // Its sockets go: then nothing of it is anywhere.
        let row = change(store, row.id, Patch { host: Some(None), ..Patch::default() }).await;
        assert_eq!((row.host, row.home), (None, Some(host.id)));
        // It comes back with a new epoch, and without a cause once it runs.
        let awake = Patch { desired: Some(DesiredStatus::Running), ..to(Status::Resuming) };
        assert_eq!(change(store, row.id, awake).await.deadline, Some(later(31)));
        assert_eq!(store.waiting(None, 100).await.unwrap().last().map(|row| row.id), Some(row.id));
        let row = assign(store, row.id, &host).await;
        assert_eq!((row.status, row.host, row.epoch), (Status::Resuming, Some(host.id), 2));
        assert_eq!(row.cause, Some(ResumeCause::Suspend));
        assert_eq!(change(store, row.id, to(Status::Running)).await.cause, None);
    }
}

pub(crate) async fn what_is_released_waits_for_another_host(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    // With a checkpoint, new or not, it moves; before its first it starts anew.
    for (has_last, has_taken, status) in [
        (false, false, Status::Pending),
        (false, true, Status::Migrating),
        (true, false, Status::Migrating),
        (true, true, Status::Migrating),
    ] {
        let mut agent = running(store, tenant, &host).await;
        if has_last {
            agent = save(store, &host, agent.id).await;
        }
        let taken = has_taken.then(|| taken(&agent));
        let row = commit(store, &host, &agent, taken, Then::Release {}).await;
        assert_eq!((row.status, row.reason), (status, Some(StatusReason::HostDrain)));
        assert_eq!((row.host, row.home, row.ran), (None, Some(host.id), true));
        assert_eq!(row.cause, (status == Status::Migrating).then_some(ResumeCause::Migrate));
        assert_eq!(row.deadline, Some(later(2 + 120)));
        assert_eq!(store.waiting(None, 100).await.unwrap().last(), Some(&row));
        assert_eq!(assign(store, row.id, &host).await.epoch, 2);
    }
}

pub(crate) async fn what_never_came_up_is_released_for_the_reason_it_was_to(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let fresh = spawn(store, tenant).await;
    let fresh = assign(store, fresh.id, &host).await;
    let row = commit(store, &host, &fresh, None, Then::Release {}).await;
    assert_eq!((row.status, row.cause, row.ran), (Status::Pending, None, false));

    let agent = running(store, tenant, &host).await;
    let agent = commit(store, &host, &agent, Some(taken(&agent)), IDLE).await;
    let restored = Patch { cause: Some(Some(ResumeCause::Restore)), ..to(Status::Resuming) };
    change(store, agent.id, restored).await;
    let agent = assign(store, agent.id, &host).await;
    let asked = commits(&host, vec![commit_of(&agent, None, Then::Release {})]);
    let answer = store.commit(host.id, asked, later(2)).await.unwrap();
    let row = store.agent(agent.id).await.unwrap().unwrap();
    assert_eq!(answer, Committed::Done { refused: Vec::new(), moved: vec![row.clone()] });
    assert_eq!((row.status, row.host), (Status::Resuming, None));
    assert_eq!(row.cause, Some(ResumeCause::Restore));
    // Its host drains while its owner wants it suspended: then it is.
    let agent = start(store, agent.id, &host).await;
    let wanted = Patch { desired: Some(DesiredStatus::Suspended), ..to(Status::Suspending) };
    let agent = change(store, agent.id, wanted).await;
    let row = commit(store, &host, &agent, Some(taken(&agent)), Then::Release {}).await;
    assert_eq!((row.status, row.cause), (Status::Suspended, Some(ResumeCause::Suspend)));
    assert_eq!((row.host, row.home), (None, Some(host.id)));
}

pub(crate) async fn a_status_that_does_not_allow_it_is_told(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let conflict = Err(CommitRefusal::Conflict {});
    let starting = spawn(store, tenant).await;
    let starting = assign(store, starting.id, &host).await;
    let asked = commit_of(&starting, Some(taken(&starting)), IDLE);
    assert_eq!(try_commit(store, &host, asked).await, conflict);
    // Nothing to keep it as.
    let agent = running(store, tenant, &host).await;
    assert_eq!(try_commit(store, &host, commit_of(&agent, None, IDLE)).await, conflict);
    let mut huge = taken(&agent);
    huge.packs = (0..=MAX_PACKS as u128).map(PackId::from_u128).collect();
    assert_eq!(try_commit(store, &host, commit_of(&agent, Some(huge), Then::Run {})).await, conflict);
    let ending = change(store, agent.id, to(Status::Terminating)).await;
    for then in [Then::Run {}, IDLE, Then::Release {}] {
        let asked = commit_of(&ending, Some(taken(&ending)), then);
        assert_eq!(try_commit(store, &host, asked).await, conflict, "{then:?}");
    }
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(ending));
    // Another's checkpoint is nobody else's.
    let (one, two) = (running(store, tenant, &host).await, running(store, tenant, &host).await);
    let one = save(store, &host, one.id).await;
    let mut forged = taken(&two);
    forged.checkpoint = one.checkpoint.unwrap();
    assert_eq!(try_commit(store, &host, commit_of(&two, Some(forged), Then::Run {})).await, conflict);
}

pub(crate) async fn an_upgrade_changes_the_component(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let mut taken = taken(&agent);
    taken.image = Digest::from_bytes([0xcd; 32]);
    let row = commit(store, &host, &agent, Some(taken.clone()), Then::Run {}).await;
    assert_eq!(row.spec.digest, taken.image);
    assert_eq!(row.spec.config, agent.spec.config);
    assert_eq!(store.checkpoint(taken.checkpoint.id).await.unwrap().unwrap().image, taken.image);
}

pub(crate) async fn one_that_goes_on_from_the_one_before_keeps_that(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let first = save(store, &host, agent.id).await;
    let second = save(store, &host, agent.id).await;
    // The last could not be read: the host went on from the one before, and says so by its parent.
    let mut third = taken(&second);
    third.parent = id_of(first.checkpoint.as_ref());
    let row = commit(store, &host, &second, Some(third.clone()), Then::Run {}).await;
    assert_eq!(row.checkpoint, Some(third.checkpoint.clone()));
    assert_eq!(row.previous, first.checkpoint);
    assert_eq!(kept(store, agent.id).await, [third.checkpoint.id, first.checkpoint.unwrap().id]);
}

pub(crate) async fn what_is_undone_is_told_to_whoever_goes_on(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    for (then, planned) in [(IDLE, ResumeCause::Suspend), (Then::Release {}, ResumeCause::Migrate)] {
        for (undone, cause) in [(false, planned), (true, ResumeCause::Rollback)] {
            let agent = running(store, tenant, &host).await;
            let agent = commit(store, &host, &agent, Some(taken(&agent)), Then::Run {}).await;
            let mut asked = commit_of(&agent, None, then);
            asked.undone = undone;
            // Also when it is asked again.
            for _ in 0..2 {
                assert_eq!(try_commit(store, &host, asked.clone()).await, Ok(()));
                let row = store.agent(agent.id).await.unwrap().unwrap();
                assert_eq!((row.cause, row.host), (Some(cause), None), "{then:?} {undone}");
            }
        }
    }
}

pub(crate) async fn one_that_is_wanted_again_is_due_when_it_is_suspended(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    for (desired, due) in [(DesiredStatus::Suspended, 0), (DesiredStatus::Running, 1)] {
        let agent = running(store, tenant, &host).await;
        change(store, agent.id, to(Status::Suspending)).await;
        change(store, agent.id, Patch { desired: Some(desired), ..Patch::default() }).await;
        let row = commit(store, &host, &agent, Some(taken(&agent)), PARKED).await;
        assert_eq!(row.status, Status::Suspended);
        assert_eq!(store.overdue(later(1000), 10).await.unwrap().len(), due);
    }
}

pub(crate) async fn a_timer_is_due_while_its_agent_is_suspended(store: &Arc<dyn Store>) {
    let (tenant, host) = (tenant(store, 10).await, host(store).await);
    let agent = running(store, tenant, &host).await;
    let mut asked = commit_of(&agent, Some(taken(&agent)), Then::Run {});
    asked.wake_at = Some(later(50));
    assert_eq!(try_commit(store, &host, asked.clone()).await, Ok(()));
    let due = async |seconds| store.overdue(later(seconds), 10).await.unwrap().len();
    assert_eq!(due(1000).await, 0);
    (asked.taken, asked.then) = (None, IDLE);
    assert_eq!(try_commit(store, &host, asked).await, Ok(()));
    assert_eq!((due(49).await, due(50).await), (0, 1));
    change(store, agent.id, Patch { wake_at: Some(None), ..Patch::default() }).await;
    assert_eq!(due(1000).await, 0);
    change(store, agent.id, Patch { wake_at: Some(Some(now())), ..Patch::default() }).await;
    assert_eq!(due(0).await, 1);
    bring(store, spawn(store, tenant).await.id, Status::Suspended).await;
    assert_eq!(due(0).await, 1);
}
