// Agents by turns: whoever has waited longest for a turn has the next one. Among tasks that are as urgent as the first,
// one is drawn by lot, so that no agent always gets the same kind.
//
// Those who ask stand in a line, which the policy remembers as text: for each a time and a name. Whoever is given a task
// goes to its end, and so does whoever is new. An agent that holds a task, or hasn't asked for a while, is passed over:
// nobody waits for somebody who is busy or away.

#include "policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IN_LINE_MAX = 256, NAME_BYTES_MAX = 128, TASKS = 16 };

// An agent in the line, and when it last asked, in milliseconds.
typedef struct {
    uint64_t asked;
    size_t length;
    char name[NAME_BYTES_MAX];
} agent;

typedef struct {
    agent agents[IN_LINE_MAX];
    size_t count;
    bool is_changed;
} line;

void exports_taskhost_policy_about_describe(exports_taskhost_policy_about_description_t *ret) {
    // What a hook answers is freed after it, so all of it is a copy.
    policy_string_dup(&ret->name, "round-robin");
    policy_string_dup(&ret->version, "0.1.0");
    policy_string_dup(&ret->summary, "Agents by turns; among tasks that are as urgent, by lot.");
    exports_taskhost_policy_about_setting_t *patience = malloc(sizeof *patience);
    policy_string_dup(&patience->name, "patience");
    patience->value_type.tag = EXPORTS_TASKHOST_POLICY_ABOUT_VALUE_TYPE_DURATION;
    policy_string_dup(&patience->default_value, "20s");
    policy_string_dup(
        &patience->doc,
        "How long an agent counts as asking after it last asked, and so how long others wait when it is its turn.");
    ret->settings.ptr = patience;
    ret->settings.len = 1;
}

// Durations are milliseconds in decimal.
static uint64_t patience_ms(void) {
    policy_string_t name, value;
    uint64_t ms = 0;
    policy_string_set(&name, "patience");
    if (taskhost_policy_settings_get(&name, &value)) {
        for (size_t i = 0; i < value.len; i++) ms = ms * 10 + (uint64_t)(value.ptr[i] - '0');
        policy_string_free(&value);
    }
    return ms;
}

static void append(line *line, const uint8_t *name, size_t length, uint64_t asked) {
    if (line->count == IN_LINE_MAX || length > NAME_BYTES_MAX) return;
    agent *last = &line->agents[line->count++];
    *last = (agent){.asked = asked, .length = length};
    memcpy(last->name, name, length);
}

// Takes the agent at this place out of the line.
static agent take(line *line, size_t at) {
    agent taken = line->agents[at];
    line->count--;
    memmove(&line->agents[at], &line->agents[at + 1], (line->count - at) * sizeof taken);
    line->is_changed = true;
    return taken;
}

// Where an agent stands; the length of the line if it doesn't.
static size_t find(const line *line, const policy_string_t *name) {
    size_t at = 0;
    while (at < line->count) {
        const agent *here = &line->agents[at];
        if (here->length == name->len && memcmp(here->name, name->ptr, name->len) == 0) break;
        at++;
    }
    return at;
}

// The line as it is remembered, without those who asked before `since`, or later than it is: that is so when the clock was
// set back, and nobody should wait until it is that late again.
static void recall(taskhost_policy_board_borrow_view_t view, line *line, uint64_t since, uint64_t now) {
    policy_string_t key;
    policy_list_u8_t text;
    policy_string_set(&key, "line");
    if (!taskhost_policy_board_method_view_recall(view, &key, &text)) return;
    const uint8_t *at = text.ptr, *end = text.ptr + text.len;
    while (at < end) {
        uint64_t asked = 0;
        while (*at != ' ') asked = asked * 10 + (uint64_t)(*at++ - '0');
        const uint8_t *name = ++at;
        while (*at != '\n') at++;
        if (asked >= since && asked <= now) append(line, name, (size_t)(at - name), asked);
        at++;
    }
    policy_list_u8_free(&text);
}

// Stages that the line is remembered; says whether it was.
static bool remember(taskhost_policy_transactions_borrow_transaction_t tx, const line *line) {
    policy_string_t key;
    policy_string_set(&key, "line");
    char *text = malloc(line->count * (sizeof(agent) + 24) + 1);
    size_t length = 0;
    for (size_t i = 0; i < line->count; i++) {
        const agent *here = &line->agents[i];
        length += (size_t)sprintf(text + length, "%" PRIu64 " ", here->asked);
        memcpy(text + length, here->name, here->length);
        length += here->length;
        text[length++] = '\n';
    }
    policy_list_u8_t value = {.ptr = (uint8_t *)text, .len = length};
    taskhost_policy_transactions_step_error_t error;
    bool done = taskhost_policy_transactions_method_transaction_remember(tx, &key, &value, &error);
    if (!done) taskhost_policy_transactions_step_error_free(&error);
    free(text);
    return done;
}

// Whose turn it is: the first in the line who isn't busy. The asker is in the line.
static size_t turn(taskhost_policy_board_borrow_view_t view, line *line, size_t asker) {
    for (size_t at = 0; at < asker; at++) {
        agent *here = &line->agents[at];
        policy_string_t name = {.ptr = (uint8_t *)here->name, .len = here->length};
        if (taskhost_policy_board_method_view_claims_held(view, &name) == 0) return at;
    }
    return asker;
}

// Claims one of the tasks that are as urgent as the first, drawn by lot; if it is locked by hand, the next.
static bool claim(
    taskhost_policy_transactions_borrow_transaction_t tx,
    const taskhost_policy_board_list_summary_t *tasks,
    uint64_t *lease) {
    size_t equal = 1;
    while (equal < tasks->len && tasks->ptr[equal].rank == tasks->ptr[0].rank
           && tasks->ptr[equal].priority == tasks->ptr[0].priority) equal++;
    // The number is the same when the hook is run again.
    size_t drawn = taskhost_policy_random_next() % equal;
    for (size_t i = 0; i < tasks->len; i++) {
        size_t at = i < equal ? (drawn + i) % equal : i;
        taskhost_policy_transactions_step_error_t error;
        if (taskhost_policy_transactions_method_transaction_claim(tx, &tasks->ptr[at].id, lease, &error)) return true;
        taskhost_policy_transactions_step_error_free(&error);
    }
    return false;
}

// A hook's answer that there is nothing, because it is somebody's turn.
static void not_yet(exports_taskhost_policy_assignment_answer_t *ret, const agent *whose) {
    char why[NAME_BYTES_MAX + 32];
    int length = snprintf(why, sizeof why, "it is the turn of `%.*s`", (int)whose->length, whose->name);
    ret->val.nothing.is_some = true;
    policy_string_dup_n(&ret->val.nothing.val, why, (size_t)length);
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

static void free_line(line **line) {
    free(*line);
}

void exports_taskhost_policy_assignment_choose(
    exports_taskhost_policy_assignment_borrow_view_t view,
    exports_taskhost_policy_assignment_borrow_transaction_t tx,
    exports_taskhost_policy_assignment_request_t *request,
    exports_taskhost_policy_assignment_answer_t *ret) {
    GIVEN_BACK_BY(give_back) given given = {view, tx, request};
    ret->tag = EXPORTS_TASKHOST_POLICY_ASSIGNMENT_ANSWER_NOTHING;
    ret->val.nothing.is_some = false;

    uint64_t now = taskhost_policy_clock_now(), patience = patience_ms();
    GIVEN_BACK_BY(free_line) line *line = calloc(1, sizeof *line);
    recall(view, line, now > patience ? now - patience : 0, now);

    GIVEN_BACK_BY(drop_cursor) taskhost_policy_board_own_cursor_t ready = taskhost_policy_board_method_view_candidates(
        view, &request->filter, TASKHOST_POLICY_TYPES_RESERVATION_EITHER, TASKHOST_POLICY_TYPES_ORDER_RANK);
    GIVEN_BACK_BY(taskhost_policy_board_list_summary_free) taskhost_policy_board_list_summary_t tasks = {0};
    taskhost_policy_board_method_cursor_next(taskhost_policy_board_borrow_cursor(ready), TASKS, &tasks);

    size_t asker = find(line, &request->asker.name);
    if (tasks.len > 0) {
        if (asker == line->count) {
            append(line, request->asker.name.ptr, request->asker.name.len, now);
            line->is_changed = true;
        } else if (now - line->agents[asker].asked >= patience / 4) {
            // Each note is a line in the journal: to a quarter of the patience is near enough.
            line->agents[asker].asked = now;
            line->is_changed = true;
        }
        // Where the line is full, whoever doesn't fit waits for nobody.
        size_t next = asker < line->count ? turn(view, line, asker) : asker;
        if (next != asker) {
            not_yet(ret, &line->agents[next]);
        } else if (claim(tx, &tasks, request->lease.is_some ? &request->lease.val : NULL)) {
            ret->tag = EXPORTS_TASKHOST_POLICY_ASSIGNMENT_ANSWER_STAGED;
            if (asker < line->count) {
                take(line, asker);
                append(line, request->asker.name.ptr, request->asker.name.len, now);
            }
        } else if (asker < line->count) {
            take(line, asker);
        }
    } else if (asker < line->count) {
        // There is nothing for it: nobody need wait for it.
        take(line, asker);
    }
    if (line->is_changed && !remember(tx, line)) {
        if (ret->tag == EXPORTS_TASKHOST_POLICY_ASSIGNMENT_ANSWER_NOTHING) policy_option_string_free(&ret->val.nothing);
        ret->tag = EXPORTS_TASKHOST_POLICY_ASSIGNMENT_ANSWER_REFUSED;
        policy_string_dup(&ret->val.refused, "the line couldn't be remembered");
    }
}
