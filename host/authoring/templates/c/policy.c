// Who asks for work gets the newest ready task.

#include "policy.h"

#include <stdlib.h>

// In which order tasks are given: NEWEST, OLDEST, or RANK (the most urgent first).
#define ORDER TASKHOST_POLICY_TYPES_ORDER_NEWEST

// What `taskhost policy show` prints. What a hook answers is freed after it, so all of it is a copy.
void exports_taskhost_policy_about_describe(exports_taskhost_policy_about_description_t *ret) {
    policy_string_dup(&ret->name, "{{name}}");
    policy_string_dup(&ret->version, "0.1.0");
    policy_string_dup(&ret->summary, "The newest ready task first.");
    exports_taskhost_policy_about_setting_t *lease = malloc(sizeof *lease);
    policy_string_dup(&lease->name, "lease");
    lease->value_type.tag = EXPORTS_TASKHOST_POLICY_ABOUT_VALUE_TYPE_DURATION;
    policy_string_dup(&lease->default_value, "30m");
    policy_string_dup(&lease->doc, "How long a claim holds without a heartbeat.");
    ret->settings.ptr = lease;
    ret->settings.len = 1;
}

// The setting, which is milliseconds in decimal.
static uint64_t lease_setting(void) {
    policy_string_t name, value;
    uint64_t lease = 0;
    policy_string_set(&name, "lease");
    if (taskhost_policy_settings_get(&name, &value)) {
        for (size_t i = 0; i < value.len; i++) {
            lease = lease * 10 + (uint64_t)(value.ptr[i] - '0');
        }
        policy_string_free(&value);
    }
    return lease;
}

// What a hook is given or makes, it gives back before it returns: a handle that remains makes it fail. A variable that is
// declared with this is given back by `function` wherever the function returns, early too; the last one first.
#define GIVEN_BACK_BY(function) __attribute__((cleanup(function)))

// What the hook is given.
typedef struct {
    exports_taskhost_policy_assignment_borrow_view_t view;
    exports_taskhost_policy_assignment_borrow_transaction_t tx;
    exports_taskhost_policy_assignment_request_t *request;
} given;

static void give_back(given *given) {
    taskhost_policy_board_view_drop_borrow(given->view);
    taskhost_policy_transactions_transaction_drop_borrow(given->tx);
    exports_taskhost_policy_assignment_request_free(given->request);
}

static void drop_cursor(taskhost_policy_board_own_cursor_t *cursor) {
    taskhost_policy_board_cursor_drop_own(*cursor);
}

void exports_taskhost_policy_assignment_choose(
    exports_taskhost_policy_assignment_borrow_view_t view,
    exports_taskhost_policy_assignment_borrow_transaction_t tx,
    exports_taskhost_policy_assignment_request_t *request,
    exports_taskhost_policy_assignment_answer_t *ret) {
    GIVEN_BACK_BY(give_back) given given = {view, tx, request};
    ret->tag = EXPORTS_TASKHOST_POLICY_ASSIGNMENT_ANSWER_NOTHING;
    ret->val.nothing.is_some = false;

    uint64_t lease = request->lease.is_some ? request->lease.val : lease_setting();
    GIVEN_BACK_BY(drop_cursor) taskhost_policy_board_own_cursor_t ready = taskhost_policy_board_method_view_candidates(
        view, &request->filter, TASKHOST_POLICY_TYPES_RESERVATION_EITHER, ORDER);
    GIVEN_BACK_BY(taskhost_policy_board_list_summary_free) taskhost_policy_board_list_summary_t tasks = {0};
    taskhost_policy_board_method_cursor_next(
        taskhost_policy_board_borrow_cursor(ready), 16, &tasks);

    // Usually the first will do; one that somebody has locked by hand can't be claimed.
    for (size_t i = 0; i < tasks.len; i++) {
        taskhost_policy_transactions_step_error_t error;
        if (taskhost_policy_transactions_method_transaction_claim(
                tx, &tasks.ptr[i].id, &lease, &error)) {
            ret->tag = EXPORTS_TASKHOST_POLICY_ASSIGNMENT_ANSWER_STAGED;
            return;
        }
        taskhost_policy_transactions_step_error_free(&error);
    }
}
