//! The store's suite: every case runs on SQLite and on PostgreSQL.
//!
//! On SQLite each case is a test with a file of its own. On PostgreSQL all cases are one test, since every
//! test process needs a server of its own: each case has a database of its own there, and all run even
//! when one fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod config;
mod fleet;
mod groups;
mod identity;
mod lists;
mod provisioning;
mod sealing;
#[path = "../support/mod.rs"]
mod support;
mod visible;

use std::future::Future;
use std::pin::Pin;

use support::Fixture;

type Case = fn(Fixture) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! on_both {
    ($($module:ident: $($case:ident),+;)+) => {
        mod sqlite {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let directory = tempfile::tempdir().unwrap();
                    let url = crate::support::sqlite_url(&directory);
                    crate::$module::$case(crate::Fixture::open(url).await).await;
                })+
            })+
        }

        const CASES: &[(&str, Case)] = &[
            $($((concat!(stringify!($module), "::", stringify!($case)), |f| Box::pin($module::$case(f)))),+),+
        ];
    };
}

on_both! {
    groups: made_found_and_listed, a_name_is_taken_once, filtered_by_label_search_and_name, paged_in_order,
        patched, deleted_with_all_they_have;
    config: committed_and_read_back, a_stale_parent_is_refused, concurrent_commits_leave_no_gap,
        a_refused_commit_leaves_nothing, one_batch_may_touch_a_resource_twice, a_large_batch_is_one_revision,
        groups_with_the_same_ids_stay_apart, revisions_are_read_in_steps, heads_are_told_to_all_replicas,
        audited_in_the_same_transaction;
    lists: filtered_by_what_users_ask_for, labels_follow_the_resource, children_belong_to_their_parent,
        paged_without_gap_or_overlap, counted_by_group;
    sealing: another_master_key_is_refused, nothing_secret_is_in_clear, a_moved_resource_is_noticed,
        a_moved_change_is_noticed, a_data_key_of_another_group_is_noticed;
    fleet: a_join_token_is_used_no_more_than_it_allows, a_join_token_ends, instances_tell_how_they_are,
        a_revoked_instance_cannot_return, instances_long_gone_are_removed;
    identity: users_log_in, a_session_ends_with_a_reason, tokens_end_and_are_removed, an_admin_key_decides_its_group,
        replicas_agree_on_a_setting, the_audit_log_is_filtered;
    provisioning: a_token_is_replaced_and_ends, users_are_kept_and_found, a_change_is_made_to_what_was_read,
        roles_have_members;
    visible: groups_as_policies_say, resources_by_their_service, what_is_attached_stays;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let mut server = testkit::postgres::Postgres::start().unwrap();
    let mut failed = Vec::new();
    for (name, case) in CASES {
        let fixture = Fixture::open(server.database().unwrap()).await;
        match tokio::spawn(case(fixture)).await {
            Ok(()) => println!("ok      {name}"),
            Err(_) => failed.push(*name),
        }
    }
    assert!(failed.is_empty(), "failed on PostgreSQL: {failed:?}");
}
