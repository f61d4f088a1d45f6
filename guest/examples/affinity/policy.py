"""An agent stays with the family of tasks that it knows: the children of what it worked on last, and what has the same
parent. Where there is nothing for it any more, it gets what everybody gets.
"""

from collections.abc import Iterator

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import about, assignment, lifecycle, recovery
from wit_world.imports import clock, settings
from wit_world.imports.board import Family, Task, View
from wit_world.imports.transactions import Transaction
from wit_world.imports.types import Filter, Order, Request, Reservation, Status, Summary

HOLD = about.Setting(
    "hold",
    about.ValueType_Duration(),
    "1h",
    "How long a task stays with a living holder whose lease has run out, counted from its claim: somebody else would have "
    "to learn the family anew.",
)
STOP = about.Setting(
    "stop_family",
    about.ValueType_Boolean(),
    "false",
    "Whether the rest of a family is blocked when one of it fails, until somebody has looked.",
)

# More would come near the deadline of a hook.
RELATIVES_MAX = 200


class About(exports.About):
    def describe(self) -> about.Description:
        summary = "An agent stays with the family of tasks that it knows."
        return about.Description("affinity", "0.1.0", summary, [HOLD, STOP])


class Assignment(exports.Assignment):
    def choose(self, view: View, tx: Transaction, request: Request) -> assignment.Answer:
        # Who asks for a certain task gets that one or none.
        known = [] if request.filter.only else relatives(view, request)
        for task in [*known, *ready(view, request.filter, 16)]:
            try:
                tx.claim(task.id, request.lease)
            except Err:
                continue  # Somebody has locked it by hand.
            remember(view, tx, request.asker.name, task.id)
            return assignment.Answer_Staged()
        return assignment.Answer_Nothing(None)


def ready(view: View, wanted: Filter, limit: int) -> list[Summary]:
    # A handle is given back when its `with` ends: a hook may have 1,024 of them.
    with view.candidates(wanted, Reservation.EITHER, Order.RANK) as cursor:
        return cursor.next(limit)


def relatives(view: View, request: Request) -> list[Summary]:
    """What the asker can have of its families, the nearest first: children before siblings."""
    remembered = view.recall(key(request.asker.name))
    found = []
    for parent in remembered.decode().split("\n") if remembered else []:
        family = []
        for child in open_children(view, parent):
            # Through a cursor, which knows what is ready, matches the filter and is reserved for nobody else.
            wanted = Filter(
                request.filter.task_types, request.filter.labels, request.filter.capabilities, child
            )
            family += ready(view, wanted, 1)
        found += sorted(family, key=lambda task: (task.rank, -task.priority, task.created_at))
    return found


def open_children(view: View, parent: str) -> Iterator[str]:
    task = view.get(parent)
    if task is None:
        return
    with task:
        children = task.children(Family.OPEN, None, RELATIVES_MAX)
    yield from children


def remember(view: View, tx: Transaction, agent: str, given: str) -> None:
    """Remembers whose children the agent knows: those of the task itself, and those of its parent."""
    task = view.get(given)
    assert task is not None, "it was just claimed"
    with task:
        families = [given, task.parent()]
    text = "\n".join(family for family in families if family)
    tx.remember(key(agent), text.encode())


def key(agent: str) -> str:
    return f"family:{agent}"


class Lifecycle(exports.Lifecycle):
    def on_event(
        self, view: View, tx: Transaction, task: Task, event: str, detail: str
    ) -> lifecycle.Answer:
        parent = task.parent()
        if event == "failed" and parent and settings.get(STOP.name) == "true":
            why = f"`{task.summary().id}` of the same family failed"
            for sibling in open_children(view, parent):
                if is_pending(view, sibling):
                    tx.set_status(sibling, Status.BLOCKED, why)
        return lifecycle.Answer_Standard()


def is_pending(view: View, id: str) -> bool:
    task = view.get(id)
    if task is None:
        return False
    with task:
        return task.status() is Status.PENDING


class Recovery(exports.Recovery):
    def recover(
        self, view: View, tx: Transaction, task: Task, cause: recovery.Cause
    ) -> recovery.Answer:
        claim = task.claim()
        if cause is recovery.Cause.HOLDER_DEAD or claim is None:
            return recovery.Answer_Standard()
        until = claim.since + int(settings.get(HOLD.name) or 0)
        # A task can't be kept for less than a second.
        if until < clock.now() + 1_000:
            return recovery.Answer_Standard()
        return recovery.Answer_KeepUntil(until)
