//! The suite: every rule, as a test of a store.

/// Makes a test of each rule of the contract for a store.
///
/// Takes an expression that is a future of a [`ContractStore`](crate::contract::ContractStore); it is evaluated for
/// each rule, and must give an empty store each time.
///
/// ```ignore
/// turbocat_testkit::store_contract!(fresh_database());
/// ```
#[macro_export]
macro_rules! store_contract {
    ($make:expr) => {
        $crate::store_contract!(@rules $make; aggregate;
            what_is_inserted_is_read_as_it_was_written,
            a_stale_change_is_refused,
            what_is_deleted_is_hidden_until_it_is_restored,
            pages_are_complete_and_without_repetition,
            an_id_is_taken_once,
            what_refers_to_nobody_is_refused
        );
        $crate::store_contract!(@rules $make; name;
            an_address_belongs_to_one_user,
            a_name_has_one_active_version,
            the_active_version_is_the_own_before_a_public_one,
            publishers_of_one_name_take_turns,
            the_latest_version_of_a_name_is_the_highest_whatever_became_of_it,
            a_key_is_found_by_its_hash_while_it_can_be_used,
            steps_are_read_in_their_order_and_replaced,
            filters_let_through_what_they_name,
            templates_are_found_by_what_they_are,
            the_audit_log_is_read_by_who_what_and_about_which
        );
        $crate::store_contract!(@rules $make; access;
            a_session_is_found_by_its_hash_until_it_is_ended,
            the_sessions_of_a_user_end_together,
            a_key_of_idempotency_is_claimed_once,
            claims_of_one_key_at_once_take_turns,
            a_rate_gives_its_burst_and_no_more,
            a_rate_is_not_overdrawn_by_many_at_once,
            the_use_of_keys_adds_up,
            what_has_had_its_time_is_pruned
        );
        $crate::store_contract!(@rules $make; user_token;
            a_token_is_redeemed_once_for_its_purpose,
            a_token_has_an_owner_and_a_hash_of_its_own,
            a_token_past_its_time_is_worth_nothing,
            tokens_of_a_user_end_together,
            so_many_tokens_stand_at_once,
            a_use_that_is_undone_leaves_the_token,
            tokens_that_are_used_at_once_are_given_out_once
        );
        $crate::store_contract!(@rules $make; secret;
            a_secret_is_set_and_set_again_and_deleted,
            secrets_are_listed_by_name_in_slices,
            a_secret_that_was_set_meanwhile_is_not_resealed
        );
        $crate::store_contract!(@rules $make; unit_of_work;
            dropped_work_is_undone,
            committed_work_is_seen_as_a_whole,
            failed_work_is_aborted,
            empty_work_commits,
            one_of_two_saves_wins
        );
        $crate::store_contract!(@rules $make; execution;
            executions_are_listed_in_pages_without_payloads,
            executions_are_filtered,
            a_log_is_read_oldest_first,
            only_ended_executions_are_deleted
        );
        $crate::store_contract!(@rules $make; queue;
            an_accepted_execution_is_pending_until_it_is_claimed,
            an_execution_with_a_living_owner_is_born_running,
            an_execution_with_a_dead_owner_is_claimable,
            a_child_of_what_has_ended_is_left_out,
            a_child_that_exists_is_left_as_it_is,
            a_repeated_insert_changes_nothing,
            a_repeated_insert_tells_whether_the_owner_has_them,
            what_is_missing_of_a_batch_is_inserted,
            an_id_of_something_else_is_refused,
            a_batch_is_inserted_as_a_whole_or_not_at_all,
            claims_are_disjoint,
            the_longest_due_are_claimed_first,
            a_dead_worker_gets_nothing,
            what_its_owner_does_not_know_is_handed_back,
            the_start_and_the_deadline_are_the_same_at_every_claim,
            records_come_back_in_their_order,
            the_next_due_time_is_known,
            ended_children_are_told_with_their_results
        );
        $crate::store_contract!(@rules $make; journal;
            a_committed_step_is_read_as_it_was_written,
            a_repeated_batch_changes_nothing,
            a_running_record_gives_way_to_its_end,
            news_are_what_has_ended_from_a_place_on_and_what_runs,
            an_end_never_gives_way,
            attempts_are_recorded_apart,
            an_ended_attempt_is_a_line_of_the_log,
            a_fenced_worker_writes_nothing,
            a_foreign_execution_is_left_as_it_is,
            a_finished_execution_is_read_as_it_ended,
            an_ended_execution_is_left_as_it_is,
            the_end_of_a_child_wakes_its_parent,
            a_foreign_parent_is_woken_whatever_else_the_batch_says,
            lines_are_appended_once_and_dropped_without_an_execution
        );
        $crate::store_contract!(@rules $make; parking;
            a_parked_execution_is_claimable_when_it_is_due,
            what_is_due_when_it_is_parked_is_claimable_at_once,
            a_parked_execution_is_nobodys,
            a_repeated_park_leaves_the_next_owner_alone,
            mail_is_kept_when_an_execution_is_parked,
            mail_that_was_taken_wakes_nobody,
            a_child_that_ends_with_the_park_of_its_parent_wakes_it,
            an_event_before_the_park_counts,
            an_event_of_another_user_before_the_park_does_not_count,
            a_wait_that_meets_its_event_is_not_missed
        );
        $crate::store_contract!(@rules $make; part;
            parts_are_read_in_their_order,
            parts_are_listed_with_what_was_done,
            the_first_part_of_a_key_stays,
            two_that_record_at_once_agree,
            a_fenced_worker_records_no_part,
            nobody_records_a_part_of_a_foreign_execution,
            parts_count_as_progress,
            parts_are_deleted_with_their_execution
        );
        $crate::store_contract!(@rules $make; permit;
            permits_are_shared_by_all_workers,
            the_permits_of_the_dead_are_free,
            who_gives_all_back_leaves_nothing,
            permits_that_are_asked_for_at_once_are_given_once,
            what_has_no_limit_has_no_permits
        );
        $crate::store_contract!(@rules $make; usage;
            a_turn_is_charged_once_with_its_record,
            what_a_child_used_counts_for_those_that_started_it,
            usage_is_summed_by_what_is_asked_for,
            sums_outlive_executions,
            a_turn_that_fits_is_reserved_until_it_is_recorded,
            of_two_turns_that_do_not_fit_together_one_waits,
            a_reservation_counts_for_nothing_once_its_execution_has_ended,
            every_budget_that_applies_is_held,
            the_limits_of_a_workflow_become_budgets_of_its_execution,
            who_waits_for_a_budget_is_woken_when_it_is_set_or_deleted,
            a_budget_is_set_and_set_again_and_deleted,
            budgets_are_listed_with_how_they_stand
        );
        $crate::store_contract!(@rules $make; worker;
            a_living_worker_renews_its_lease,
            a_renewal_comes_in_time_until_the_worker_is_marked_dead,
            a_worker_registers_once,
            a_worker_that_was_taken_over_is_fenced,
            a_takeover_makes_executions_claimable,
            takeovers_are_counted_only_without_progress,
            a_release_hands_back_what_was_owned,
            what_is_parked_does_not_die_with_its_worker,
            living_workers_are_counted,
            a_commit_that_meets_a_takeover_stands_or_is_fenced
        );
        $crate::store_contract!(@rules $make; event;
            an_event_wakes_those_that_wait_for_its_name,
            an_event_with_a_target_wakes_it_alone,
            an_owned_execution_hears_of_an_event_by_mail,
            a_wait_that_is_over_wakes_nobody,
            events_are_read_oldest_first_for_all_or_for_one_step,
            an_event_is_stored_once_and_has_a_sender,
            an_event_of_another_user_wakes_nobody,
            an_event_of_another_user_is_not_received
        );
        $crate::store_contract!(@rules $make; schedule;
            a_schedule_is_due_at_its_tick,
            a_tick_starts_an_execution,
            a_tick_is_fired_once_whoever_does_and_however_often,
            a_recorded_tick_starts_nothing_again,
            a_dead_worker_fires_nothing,
            a_tick_that_waits_is_due_when_the_execution_before_has_ended,
            a_tick_that_begins_to_wait_too_late_is_due_at_once,
            a_new_version_takes_the_schedule_over,
            a_schedule_ends_with_its_workflow,
            a_save_leaves_a_schedule_where_it_stands,
            schedules_are_due_in_their_order_and_in_slices
        );
        $crate::store_contract!(@rules $make; cancel;
            a_cancel_reaches_the_owner_by_mail,
            a_cancel_is_told_to_who_claims,
            a_cancel_wakes_what_is_parked,
            a_cancel_survives_its_owner,
            what_has_ended_or_is_unknown_is_not_cancelled
        );
        $crate::store_contract!(@rules $make; pause;
            a_pause_reaches_the_owner_by_mail,
            what_is_pending_and_paused_is_not_claimed,
            what_is_parked_and_paused_rests_until_it_is_resumed,
            a_pause_is_told_to_who_claims,
            a_pause_survives_its_owner_and_does_not_hold_up_a_cancel,
            a_resume_before_the_park_wakes_it,
            a_second_pause_and_a_second_resume_change_nothing,
            what_has_ended_or_is_unknown_is_not_paused,
            a_pause_happens_at_the_commit
        );
        $crate::store_contract!(@rules $make; waiting;
            an_approval_is_listed_until_it_is_over,
            an_approval_concerns_its_owner_and_who_is_asked,
            pages_of_approvals_cut_no_execution,
            a_schedule_is_listed_as_it_stands,
            a_search_finds_all_words_wherever_they_stand,
            what_a_unit_of_work_accepts_is_there_at_its_commit,
            a_workflow_is_found_by_the_event_that_starts_it,
            a_template_is_rated_once_by_each_and_counts_its_uses,
            what_a_unit_of_work_tells_executions_happens_at_its_commit
        );
        $crate::store_contract!(@rules $make; sorting;
            lists_are_in_the_order_that_is_asked_for
        );
        $crate::store_contract!(@rules $make; deployment;
            a_deployment_is_found_by_what_it_is,
            a_name_is_one_deployments_in_an_environment,
            revisions_are_kept_in_their_order,
            a_check_of_health_is_no_change,
            the_requests_of_a_deployment_are_its_ended_executions,
            a_deployment_has_stopped_when_its_last_execution_has_ended
        );
        $crate::store_contract!(@rules $make; counter;
            metrics_equal_the_facts_and_count_each_once,
            what_did_not_complete_counts_as_failed,
            a_cancelled_attempt_is_not_counted,
            folds_at_once_count_each_fact_once,
            a_save_leaves_the_metrics_alone
        );
    };
    (@rules $make:expr; $module:ident; $($rule:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                let store = $make.await;
                $crate::contract::$module::$rule(&store).await;
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    crate::store_contract!(async { crate::memory::MemoryStore::default() });

    #[test]
    fn no_rule_is_left_out_of_the_suite() {
        let suite = include_str!("suite.rs");
        let files = [
            include_str!("access.rs"),
            include_str!("secret.rs"),
            include_str!("aggregate.rs"),
            include_str!("name.rs"),
            include_str!("unit_of_work.rs"),
            include_str!("execution.rs"),
            include_str!("queue.rs"),
            include_str!("journal.rs"),
            include_str!("parking.rs"),
            include_str!("part.rs"),
            include_str!("pause.rs"),
            include_str!("worker.rs"),
            include_str!("event.rs"),
            include_str!("schedule.rs"),
            include_str!("cancel.rs"),
            include_str!("waiting.rs"),
            include_str!("counter.rs"),
            include_str!("deployment.rs"),
            include_str!("sorting.rs"),
        ];
        let rules = files.iter().flat_map(|file| file.lines()).filter_map(|line| line.strip_prefix("pub async fn "));
        let names: Vec<&str> = rules.filter_map(|line| line.split('(').next()).collect();
        assert!(names.len() > 70, "only {} rules were found", names.len());
        for name in names {
            assert!(suite.lines().any(|line| line.trim().trim_end_matches(',') == name), "{name} is not in the suite");
        }
    }
}
