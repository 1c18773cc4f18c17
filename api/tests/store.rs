//! What every store promises, one function per promise, each run on every backend.
//!
//! A new backend adds one `backend!` line and nothing else; what only SQLite promises about its file is
//! in `store/file.rs`.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests: Clippy's exception covers only the tests themselves"
)]

#[path = "store/access.rs"]
mod access;
#[path = "store/agents.rs"]
mod agents;
#[path = "store/checkpoints.rs"]
mod checkpoints;
#[path = "store/commits.rs"]
mod commits;
#[path = "store/file.rs"]
mod file;
#[path = "store/fixture.rs"]
mod fixture;
#[path = "store/hosts.rs"]
mod hosts;
#[path = "store/idempotency.rs"]
mod idempotency;
#[path = "store/inbox.rs"]
mod inbox;
#[path = "store/lists.rs"]
mod lists;

use std::sync::Arc;

use api::store::{Store, sqlite::SqliteStore};
use tempfile::TempDir;

/// A fresh store, and what must outlive it.
struct Fresh {
    store: Arc<dyn Store>,
    _directory: Option<TempDir>,
}

fn in_memory() -> Fresh {
    Fresh { store: Arc::new(SqliteStore::in_memory().unwrap()), _directory: None }
}

fn in_a_file() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("claw.db")).unwrap();
    Fresh { store: Arc::new(store), _directory: Some(directory) }
}

macro_rules! backend {
    ($backend:ident: $($module:ident { $($promise:ident)* })*) => {
        mod $backend {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let fresh = crate::$backend();
                    crate::$module::$promise(&fresh.store).await;
                }
            )* })*
        }
    };
}

macro_rules! contract {
    ($($promises:tt)*) => {
        backend! { in_memory: $($promises)* }
        backend! { in_a_file: $($promises)* }
    };
}

contract! {
    agents {
        an_agent_reads_back_whole
        what_is_not_there_is_missing
        a_change_raises_version_and_time_and_leaves_the_rest
        an_expectation_that_does_not_hold_changes_nothing
        an_illegal_transition_changes_nothing
        of_two_writers_with_the_same_version_one_wins
        of_many_assignments_of_one_epoch_one_wins
        only_an_agent_that_waits_and_is_wanted_is_assigned
        a_write_with_an_older_epoch_is_refused
        transient_statuses_have_a_deadline_and_no_others
        the_quota_counts_live_agents
        the_quota_holds_under_a_race
        a_tenant_that_is_not_there_has_no_quota
    }
    idempotency {
        a_replay_gives_the_row_as_it_is_now
        a_key_with_another_body_is_told
        a_key_is_the_tenants_own
        a_key_is_forgotten_when_it_expires
        a_replay_is_not_held_to_the_quota
        a_spawn_over_quota_leaves_its_key_free
        of_many_spawns_with_one_key_one_is_made
    }
    lists {
        newest_first_in_pages_without_gap_or_repeat
        filters_hold_together
        a_metadata_filter_is_exact
        pending_is_oldest_first_and_wanted
        overdue_is_most_overdue_first
        a_lifetime_is_overdue_until_the_end_has_begun
        agents_on_a_host_are_not_final
    }
    hosts {
        a_host_reads_back_fresh_and_active
        a_renewal_is_seen_and_can_be_repeated
        a_lease_is_fenced_for_all_but_its_holder
        a_new_incarnation_supersedes_and_revives
        a_host_is_buried_once_and_only_as_it_was_seen
        a_host_that_drains_says_so
    }
    commits {
        a_commit_reads_back_whole
        the_last_two_are_kept_and_those_that_were_asked_for
        a_host_without_its_lease_commits_nothing
        a_commit_of_another_placement_is_stale
        of_many_commits_each_is_judged_alone
        a_commit_again_is_recorded_once
        a_commit_whose_answer_was_lost_is_recorded_though_the_agent_is_awake_again
        a_late_copy_of_an_older_commit_changes_nothing
        a_suspended_agent_is_parked_or_on_no_host
        what_is_released_waits_for_another_host
        what_never_came_up_is_released_for_the_reason_it_was_to
        a_status_that_does_not_allow_it_is_told
        an_upgrade_changes_the_component
        one_that_goes_on_from_the_one_before_keeps_that
        what_is_undone_is_told_to_whoever_goes_on
        one_that_is_wanted_again_is_due_when_it_is_suspended
        a_timer_is_due_while_its_agent_is_suspended
    }
    checkpoints {
        a_checkpoint_is_deleted_unless_an_agent_goes_on_from_it
        a_restore_goes_back_to_what_is_there
        a_fork_keeps_what_it_goes_on_from
        a_fork_of_what_is_gone_is_told
        an_agent_that_ends_leaves_nothing
        a_pack_is_garbage_when_nothing_refers_to_it
        packs_that_are_gone_are_told_until_long_after
        a_pack_that_no_commit_brought_is_nobodys
        a_commit_and_the_garbage_never_both_have_a_pack
        no_pack_goes_that_an_agent_can_go_on_from
    }
    inbox {
        messages_read_back_in_their_order
        of_many_messages_each_has_a_number
        a_message_with_a_key_is_delivered_once
        an_inbox_has_bounds_for_what_waits
        what_both_checkpoints_cover_leaves_the_inbox
        a_fall_back_has_its_messages_again
        a_restore_does_not_have_them_again
        a_forks_inbox_is_its_own
        a_send_is_done_once
        what_a_host_did_ends_once_wherever_its_agent_is
        a_send_of_another_placement_or_life_is_stale
        a_send_that_cannot_be_done_says_so
        agents_with_mail_are_found_in_pages
        what_wakes_a_suspended_agent_is_seen
        an_end_takes_inbox_and_webhooks_along
        a_webhook_is_found_by_its_secret
    }
    access {
        tenants_read_back_and_are_made_once
        tokens_read_back_newest_first_and_are_removed_by_their_tenant
        a_revoked_token_takes_its_sessions_and_codes_along
        a_code_is_taken_once_and_in_time
        a_session_ends_by_time_or_by_hand
        a_ticket_is_good_once
        what_has_expired_is_forgotten_and_nothing_else
        a_store_that_works_says_so
    }
}
