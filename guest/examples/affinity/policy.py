"""An agent stays with the family of tasks that it knows: the children of what it worked on last, and what has the same
parent. Where there is nothing for it any more, it gets what everybody gets.
"""

import json
from collections.abc import Iterator

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import about, assignment, lifecycle, recovery
from wit_world.imports import clock, log, settings
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

# More would come near the deadline of a hook: how many children are looked at for somebody who asks, and when one of a
# family has failed.
RELATIVES_MAX = 200
SIBLINGS_MAX = 1_000

# What agents know is remembered in so many values, each of the last few agents that have a share in it: so nothing grows
# without end, however many agents come by, and a claim writes little. A prime number, which spreads names that are alike.
VALUES = 251
AGENTS_MAX = 32


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
    found = []
    for parent in known_agents(view, request.asker.name).get(request.asker.name, []):
        family = []
        for child in open_children(view, parent, RELATIVES_MAX):
            # Through a cursor, which knows what is ready, matches the filter and is reserved for nobody else.
            wanted = Filter(
                request.filter.task_types, request.filter.labels, request.filter.capabilities, child
            )
            family += ready(view, wanted, 1)
        found += sorted(family, key=lambda task: (task.rank, -task.priority, task.created_at))
    return found


def open_children(view: View, parent: str, limit: int) -> Iterator[str]:
    """The first of them, page by page, as the caller takes them."""
    task = view.get(parent)
    if task is None:
        return
    with task:
        past = None
        while limit > 0 and (page := task.children(Family.OPEN, past, min(limit, 100))):
            yield from page
            past = page[-1]
            limit -= len(page)


def remember(view: View, tx: Transaction, agent: str, given: str) -> None:
    """Remembers whose children the agent knows: those of the task itself, and those of its parent."""
    task = view.get(given)
    assert task is not None, "it was just claimed"
    with task:
        families = [given, task.parent()]
    known = known_agents(view, agent)
    # Whoever was given something last stands last.
    known.pop(agent, None)
    known[agent] = [family for family in families if family]
    while len(known) > AGENTS_MAX:
        del known[next(iter(known))]
    try:
        tx.remember(key(agent), json.dumps(known).encode())
    except Err as error:
        # It has the task all the same, and is somebody new when it asks again.
        log.write(f"what `{agent}` knows isn't remembered: {error.value.value}")


def known_agents(view: View, agent: str) -> dict[str, list[str]]:
    """The families that this agent and others know, as far as they are remembered together."""
    remembered = view.recall(key(agent))
    return json.loads(remembered) if remembered else {}


def key(agent: str) -> str:
    return f"families:{int.from_bytes(agent.encode()) % VALUES}"


class Lifecycle(exports.Lifecycle):
    def on_event(
        self, view: View, tx: Transaction, task: Task, event: str, detail: str
    ) -> lifecycle.Answer:
        parent = task.parent()
        if event == "failed" and parent and settings.get(STOP.name) == "true":
            block_pending(view, tx, parent, f"`{task.summary().id}` of the same family failed")
        return lifecycle.Answer_Standard()


def block_pending(view: View, tx: Transaction, parent: str, why: str) -> None:
    for child in open_children(view, parent, SIBLINGS_MAX):
        if is_pending(view, child):
            try:
                tx.set_status(child, Status.BLOCKED, why)
            except Err as error:
                # A command may take only so many steps. That the task has failed counts all the same.
                log.write(f"`{child}` and what comes after it isn't blocked: {error.value.value}")
                return


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
