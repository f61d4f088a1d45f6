// Tries, when it is asked for work, to reach what the setting `power` names, and answers with what it got.
//
// A policy in C has nothing but the contract: whatever reached for more would be an import that isn't there, and such a
// component isn't built, or isn't set. So what is left to try is what needs no import.

#include "policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void setting(exports_taskhost_policy_about_setting_t *ret, const char *name) {
    policy_string_dup(&ret->name, name);
    ret->value_type.tag = EXPORTS_TASKHOST_POLICY_ABOUT_VALUE_TYPE_TEXT;
    policy_string_dup(&ret->default_value, "");
    policy_string_dup(&ret->doc, "What it tries to reach, and where.");
}

void exports_taskhost_policy_about_describe(exports_taskhost_policy_about_description_t *ret) {
    policy_string_dup(&ret->name, "isolation");
    policy_string_dup(&ret->version, "0");
    policy_string_dup(&ret->summary, "Tries what it may not.");
    ret->settings.ptr = malloc(2 * sizeof *ret->settings.ptr);
    ret->settings.len = 2;
    setting(&ret->settings.ptr[0], "power");
    setting(&ret->settings.ptr[1], "target");
}

// What was got; the caller frees it.
static char *reach(const char *power) {
    char *got = malloc(128);
    if (strcmp(power, "wall-clock") == 0) {
        uint64_t first = taskhost_policy_clock_now();
        for (volatile int n = 0; n < 100000; n++) {}
        snprintf(got, 128, "%llu %llu", (unsigned long long)first, (unsigned long long)taskhost_policy_clock_now());
    } else if (strcmp(power, "random") == 0) {
        // The library's own numbers, which nobody seeded, and the contract's.
        snprintf(got, 128, "%d %u", rand(), taskhost_policy_random_next());
    } else {
        snprintf(got, 128, "refused: there is no import for it");
    }
    return got;
}

void exports_taskhost_policy_assignment_choose(
    exports_taskhost_policy_assignment_borrow_view_t view,
    exports_taskhost_policy_assignment_borrow_transaction_t tx,
    exports_taskhost_policy_assignment_request_t *request,
    exports_taskhost_policy_assignment_answer_t *ret) {
    policy_string_t name, value;
    policy_string_set(&name, "power");
    char power[64] = "";
    if (taskhost_policy_settings_get(&name, &value)) {
        snprintf(power, sizeof power, "%.*s", (int)value.len, (const char *)value.ptr);
        policy_string_free(&value);
    }
    char *got = reach(power);
    ret->tag = EXPORTS_TASKHOST_POLICY_ASSIGNMENT_ANSWER_NOTHING;
    ret->val.nothing.is_some = true;
    policy_string_dup(&ret->val.nothing.val, got);
    free(got);
    taskhost_policy_board_view_drop_borrow(view);
    taskhost_policy_transactions_transaction_drop_borrow(tx);
    exports_taskhost_policy_assignment_request_free(request);
}
