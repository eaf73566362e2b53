//! The store's suite: every case runs on SQLite and on PostgreSQL.
//!
//! On SQLite each case is a test with a file of its own. On PostgreSQL all cases are one test, since every
//! test process needs a server of its own: each case has a database of its own there, and all run even
//! when one fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod audit;
mod config;
mod fleet;
mod groups;
mod identity;
mod lists;
mod login_options;
mod nul;
mod provisioning;
mod sealing;
#[path = "../support/mod.rs"]
mod support;
mod visible;
mod visible_rows;

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
        a_refused_commit_leaves_nothing, one_batch_may_touch_a_resource_twice,
        what_is_to_go_is_told_in_time_and_forgotten, a_large_batch_is_one_revision,
        groups_with_the_same_ids_stay_apart, revisions_are_read_in_steps, heads_are_told_to_all_replicas,
        audited_in_the_same_transaction;
    lists: filtered_by_what_users_ask_for, a_long_value_of_a_label_is_kept_and_found, labels_follow_the_resource,
        children_belong_to_their_parent,
        paged_without_gap_or_overlap, counted_by_group;
    sealing: another_master_key_is_refused, nothing_secret_is_in_clear, a_moved_resource_is_noticed,
        a_moved_change_is_noticed, a_data_key_of_another_group_is_noticed;
    fleet: a_join_token_is_used_no_more_than_it_allows, a_join_token_ends, instances_tell_how_they_are,
        instances_tell_how_nodes_are, a_revoked_instance_cannot_return, instances_long_gone_are_removed;
    identity: users_log_in, the_first_admin_is_recovered, a_session_ends_with_a_reason, tokens_end_and_are_removed,
        an_admin_key_decides_its_group, replicas_agree_on_a_setting, the_audit_log_is_filtered,
        a_second_factor_is_the_one_that_was_shown, tokens_of_a_user_have_different_names;
    login_options: kept_sealed_and_changed_at_their_version, a_login_makes_the_user_once_and_gives_what_is_mapped,
        a_removed_option_takes_its_users_along, a_sign_in_ends_once, a_disabled_option_has_no_sessions,
        the_last_way_in_stays_whoever_shuts_it;
    provisioning: a_token_is_replaced_and_ends, users_are_kept_and_found, a_change_is_made_to_what_was_read,
        roles_have_members;
    visible: groups_as_policies_say, groups_as_the_largest_policies_say, resources_by_their_service, what_is_attached_stays,
        many_users_have_what_each_of_them_has, roles_are_replaced_as_they_were_read;
    visible_rows: users_as_policies_say, roles_and_policies_as_policies_say, certificates_as_policies_say,
        consumers_and_credentials_as_policies_say, instances_and_counts_as_policies_say;
    audit: every_field_is_kept_and_chained, every_changed_column_is_named, removed_rows_are_named,
        swapped_rows_are_named, inserted_rows_are_named, a_changed_head_is_named, concurrent_writers_leave_whole_chains,
        retention_moves_the_anchor, rows_from_before_the_chains_stay, walked_by_position_while_it_grows,
        streamed_by_one_replica_at_a_time, a_stream_counts_what_retention_took;
    nul: no_text_with_it_is_kept, no_text_with_it_is_looked_for, the_audit_log_shows_where_it_stood;
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
