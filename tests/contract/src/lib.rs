//! What is claimed of a board, shown on every store from one source.
//!
//! - [`Kind`], [`Bench`]: what a store gives, so that it can be tested. [`suite!`]: every test, on one kind of store.
//! - `board`: a board under test, and sentences to use it by. When it goes, it is checked (`history`).
//! - `claims`, `adding` and so on: what is promised, most of it by one asker after the other.
//! - `crowd_claims` and so on: what is promised to many at once, who are started together by `crowds`.
//!
//! Nothing here presumes that the numbers of entries, tokens and places of birth are dense, that the clock stands still,
//! or that one transaction waits for the other: a store may do so or not.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

/// Every test of the contract on a kind of store (an expression of type `&Kind` that is valid in any module), each as a
/// test of its own in a module that is named for what it is about.
#[macro_export]
macro_rules! suite {
    ($kind:expr) => {
        $crate::suite! { @each instances ($kind) }
    };
    (@instances ($kind:expr) $($module:ident { $($test:ident)* })*) => {
        $(mod $module {
            $(#[test]
            fn $test() {
                $crate::run(stringify!($module), stringify!($test), $kind);
            })*
        })*
    };
    (@calls ($of:ident $name:ident $kind:ident) $($module:ident { $($test:ident)* })*) => {
        $($(if ($of, $name) == (stringify!($module), stringify!($test)) {
            return $module::$test($kind);
        })*)*
    };
    (@each $what:ident $with:tt) => {
        $crate::suite! { @$what $with
            adding {
                missing_parent_or_dependency_changes_nothing
                self_edges_and_circles_change_nothing
                one_batch_may_name_its_tasks_in_any_order
                id_that_exists_is_refused_and_its_task_left_alone
                repeated_add_with_its_key_gives_the_same_task
                completing_a_parent_of_many_children_asks_a_bounded_number_in_each_transaction
            }
            adopting {
                a_finished_task_keeps_its_whole_past
                a_finished_task_of_unknown_times_has_those_of_its_adoption
                every_status_is_kept_and_only_pending_tasks_are_offered
                adopting_twice_changes_nothing_and_writes_nothing
                what_an_interrupted_adoption_left_out_comes_with_the_next
                an_adopted_claim_holds_for_what_is_left_of_its_lease
                an_adopted_claim_whose_lease_is_over_is_recovered_by_the_next_claim
                a_claim_since_the_future_holds_no_longer_than_its_lease
                tokens_grow_through_adopted_claims
                what_waits_for_an_adopted_finished_task_is_ready_at_once
                what_names_a_task_that_is_not_there_is_refused_with_all_the_rest
                what_cannot_be_is_refused
                a_claim_with_a_filter_finds_an_adopted_task
                a_board_read_again_from_its_journal_has_the_same_adopted_tasks
            }
            answers {
                refusals_wait_for_what_they_stand_on_too
                claim_that_finds_nothing_until_it_looks_for_the_dead_is_one_transaction
            }
            changing {
                labels_that_two_people_add_at_once_are_both_there
                labels_are_added_to_and_taken_from_those_there_are_and_the_journal_has_the_whole_list
                labels_beyond_the_bound_are_refused_though_each_request_is_within_it
                what_an_operator_says_about_a_task_taken_back_stands_with_it
            }
            claims {
                each_of_many_threads_gets_tasks_that_nobody_else_has
                second_agent_of_one_name_neither_wins_nor_completes
                late_holder_changes_nothing_once_its_task_was_given_away
                heartbeat_extends_the_lease_by_its_own_length
                dead_holders_task_comes_back_without_waiting_for_its_lease
                repeated_claim_with_its_key_gives_the_same_claim
                repeated_complete_is_answered_the_same_and_another_result_is_not
                voluntary_release_gives_its_attempt_back
                claim_by_id_says_what_stands_in_its_way
                nothing_says_whether_the_board_is_empty_waiting_or_not_for_the_asker
                unfenced_board_takes_the_name_for_the_token
            }
            compiling {
                policy_that_a_process_has_not_met_is_compiled_while_others_change_the_board
            }
            crowd_changes {
                nothing_is_given_by_the_old_policy_after_a_switch
                settings_that_are_changed_while_others_work_are_all_kept
            }
            crowd_claims {
                each_of_many_gets_the_most_urgent_that_nobody_else_takes
                one_key_of_many_requests_is_one_claim
                one_key_of_many_requests_adds_one_task
                what_a_policy_counts_is_as_much_as_was_given
                late_holder_keeps_its_task_or_loses_it_but_not_both
            }
            crowd_families {
                parts_that_end_at_once_complete_the_whole_once
                parts_that_end_at_once_make_the_whole_ready
                dependencies_that_end_at_once_make_what_comes_after_them_ready
                what_is_added_while_that_ends_which_it_waits_for_is_ready
                cascade_and_those_who_work_below_it_agree_on_what_was_done
                what_is_archived_is_nobodys_dependency
            }
            fallback {
                failure_is_an_error_unless_the_board_is_set_otherwise
                standard_policy_decides_in_its_place_and_the_history_says_so
            }
            limits {
                recording_does_not_let_limits_pass_unchecked
                memory_of_a_recorded_policy_is_its_own
                lowered_limit_does_not_stand_in_the_way_of_other_settings
            }
            operating {
                what_is_reserved_goes_to_its_assignee_only
                each_is_changed_by_itself_or_all_or_none
                dry_run_says_what_would_happen_and_does_nothing
                cancelling_ends_a_task_and_with_cascade_what_waits_for_it
                retrying_begins_anew_and_with_cascade_what_was_lost_with_it
                holder_parks_its_task_and_a_stranger_does_not
                operator_takes_a_task_back_and_the_attempt_stays_counted
                update_changes_who_gets_what
                finished_families_leave_the_board_and_stay_in_the_history
                id_of_an_archived_task_can_be_given_again_and_its_key_can_not
                open_task_below_keeps_a_family_on_the_board
                task_that_is_locked_by_hand_is_passed_over
                metadata_is_changed_by_one_at_a_time
                settings_are_changed_and_nothing_is_written_if_they_are_so_already
                cascade_leaves_nothing_open_below_what_is_cancelled
                what_is_locked_by_hand_is_nobodys_prospect
            }
            posted {
                claim_of_which_only_the_entry_is_known_is_told
                claim_that_has_ended_before_anybody_was_told_of_it_is_made_anew
            }
            properties {
                claims_take_the_first_match_and_derived_records_never_drift
            }
            recording {
                everything_that_a_refused_request_was_decided_on_comes_again
                what_earlier_hooks_staged_is_there_when_a_refused_event_is_told_again
                failure_is_kept_with_its_kind_and_another_build_can_be_tried_on_it
                what_was_not_asked_then_is_unknown_and_not_the_policys_failure
                small_board_is_kept_whole_for_a_policy_that_asks_for_more
                nothing_is_kept_where_nothing_failed_and_only_the_first_where_much_did
                refusal_that_explain_only_tells_of_is_kept_as_a_dry_run
                decision_that_read_more_than_a_recording_holds_is_not_kept_in_part
                what_is_no_recording_is_told_from_one_that_is_damaged_or_newer
                component_that_is_small_is_kept_and_a_large_one_is_named_only
            }
            regressions {
                dead_session_is_found_however_many_others_live
                claim_that_its_policy_takes_back_is_a_failure_of_the_policy
                answer_without_a_claim_is_a_failure_of_the_policy
                policy_can_give_nothing_that_was_not_asked_for
                settings_changed_at_once_are_both_kept
                keys_that_cannot_be_meant_are_refused
                next_ready_at_is_never_what_was_taken_just_now
                key_that_was_used_may_be_answered
                error_is_what_the_last_fail_said
                key_of_an_archived_task_says_so
                cascade_can_be_asked_for_later
                task_that_was_said_to_have_failed_has_failed
                what_was_due_is_done_whatever_the_claim_is_told
                what_a_policy_stages_before_it_refuses_is_never_kept
                archive_sees_all_who_come_after_a_task
                tasks_are_archived_together_in_any_order
                reasons_and_errors_have_a_bound
            }
            resuming {
                later_session_goes_on_with_the_claim_of_one_that_has_ended
                session_that_lives_keeps_its_claim_whoever_knows_the_token
                claim_that_was_given_away_or_ended_is_not_taken_up_again
                key_gives_nobody_the_claim_of_a_session_that_lives
                naming_a_session_is_not_being_it
            }
            stores {
                no_reader_sees_a_part_of_an_entry
                what_is_read_stays_as_it_was_when_the_reading_began
                history_is_handed_over_from_any_place_and_until_it_is_enough
                whoever_waits_is_woken_by_what_was_committed_since_they_looked
                component_is_what_its_digest_says
                session_lives_once
                task_that_is_locked_by_hand_is_waited_for_and_others_are_not
                large_values_are_kept_by_owner_and_key
                value_that_is_too_large_is_refused_whole
                what_many_append_to_one_value_is_all_there
                policies_replace_their_files_whole_and_only_what_they_expect
                what_many_count_in_one_file_is_all_counted
                policys_lock_is_held_by_one
                list_is_in_the_order_of_creation_however_it_is_paged
            }
        }
    };
}

mod around;
mod bench;
mod board;
mod crowds;
mod history;

mod adding;
mod adopting;
mod answers;
mod changing;
mod claims;
mod compiling;
mod crowd_changes;
mod crowd_claims;
mod crowd_families;
mod fallback;
mod limits;
mod operating;
mod posted;
mod properties;
mod recording;
mod regressions;
mod resuming;
mod stores;

pub use bench::{Bench, Kind, Plan};
pub use history::check as check_history;

/// Runs one test: what [`suite!`] writes tests of. One that isn't in its list is dead code, which the compiler tells.
#[doc(hidden)]
pub fn run(module: &str, test: &str, kind: &Kind) {
    suite! { @each calls (module test kind) }
    panic!("there is no test `{module}::{test}`");
}
