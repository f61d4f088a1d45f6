"""Who asks for work gets the newest ready task."""

# Import modules here and not in a hook: those that are imported when the policy is built are built into it, and no others.
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import about, assignment
from wit_world.imports import settings
from wit_world.imports.board import View
from wit_world.imports.transactions import Transaction
from wit_world.imports.types import Order, Request, Reservation

# In which order tasks are given: NEWEST, OLDEST, or RANK (the most urgent first).
ORDER = Order.NEWEST

LEASE = about.Setting(
    "lease", about.ValueType_Duration(), "30m", "How long a claim holds without a heartbeat."
)


class About(exports.About):
    """What `taskhost policy show` prints."""

    def describe(self) -> about.Description:
        return about.Description("{{name}}", "0.1.0", "The newest ready task first.", [LEASE])


class Assignment(exports.Assignment):
    def choose(self, view: View, tx: Transaction, request: Request) -> assignment.Answer:
        lease = request.lease if request.lease is not None else int(settings.get("lease") or 0)
        # A handle is given back when its `with` ends.
        with view.candidates(request.filter, Reservation.EITHER, ORDER) as ready:
            # Usually the first will do; one that somebody has locked by hand can't be claimed.
            for task in ready.next(16):
                try:
                    tx.claim(task.id, lease)
                    return assignment.Answer_Staged()
                except Err:
                    continue
        return assignment.Answer_Nothing(None)
