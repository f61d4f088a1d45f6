// What a failed `assert` does: it says itself in the log and stops the hook, as a panic does in Rust. C's own would write
// to standard error, which a policy hasn't.

#include "policy.h"

#include <stdio.h>

// The compiler is told to call `__assert_fail` so.
_Noreturn void taskhost_policy_assert_failed(const char *expression, const char *file, int line, const char *function);

_Noreturn void taskhost_policy_assert_failed(const char *expression, const char *file, int line, const char *function) {
#ifdef TASKHOST_POLICY_LOGS
    char text[512];
    // By how the line begins, the host takes it for the reason of the failure.
    int length = snprintf(
        text, sizeof text, "panicked at %s:%d in `%s`: `assert(%s)` failed", file, line, function, expression);
    size_t kept = length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    policy_string_t said = {.ptr = (uint8_t *)text, .len = kept};
    taskhost_policy_log_write(&said);
#else
    (void)expression, (void)file, (void)line, (void)function;
#endif
    __builtin_trap();
}
