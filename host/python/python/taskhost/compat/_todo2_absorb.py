"""Doing on the board what was changed in a Todo2 file.

A change is what differs from what was known of a todo when the file and the board last agreed. Everything here may be
done twice: whoever comes after a crash compares again, and finds done what is done.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from taskhost.agent import Claim
from taskhost.board import Board
from taskhost.compat._todo2_meaning import (
    Meaning,
    Todo,
    assignee_of,
    data_with,
    of_task,
    of_todo,
    without_links,
)
from taskhost.compat._todo2_memory import Known
from taskhost.errors import Invalid, LockTimeout, NotFound, Refused, Taken, UsageError
from taskhost.files import ImportReport, NotMapped
from taskhost.task import Assignee, Task

__all__ = ["FORMAT", "LEASE_SECONDS", "Absorbing", "Todo2Conflict"]

FORMAT = "todo2"
#: Todo2 knows no leases: the longest one that a board gives.
LEASE_SECONDS = 30 * 24 * 3600.0
#: The session of claims that were made because the file says so.
_SESSION = "todo2-file"
#: Who did what the file says was done, without saying by whom.
_NOBODY = Assignee("todo2-file", "human")
_BY = "todo2-file"
#: At the end of why a task is parked that the file says has ended, though what it waits for hasn't.
_TOO_EARLY = " in the Todo2 file, before what it waits for"
#: What the board may refuse, so that the file can't have its way.
_REFUSALS = (Invalid, NotFound, Refused, Taken, UsageError)


class Todo2Conflict(UserWarning):
    """A todo was changed in the file and on the board, each in another way; the board's way was kept."""


@dataclass(slots=True)
class Absorbing:
    """One pass over the todos of a file.

    ``known`` is by the board's ids. ``edited`` are the todos that mean something else than what is known of them;
    ``kept`` is what of them the file says for good, whether the board can say it or not; ``waiting`` is what of them
    can't be done yet, as it was known, so that it still differs the next time.
    """

    board: Board
    tasks: dict[str, Task]
    known: dict[str, Known]
    locked: Collection[str]
    gone: set[str] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)
    waiting: dict[str, Meaning] = field(default_factory=dict)
    kept: dict[str, set[str]] = field(default_factory=dict)
    _children: dict[str | None, list[str]] | None = None

    def run(self, todos: Mapping[str, Todo]) -> None:
        """Does all that was changed in the file, which has these todos now."""
        new = {}
        for id, todo in todos.items():
            self.gone.discard(id)
            if id in self.tasks:
                self._change(id, todo)
            elif id not in self.known or of_todo(todo) != self.known[id].todo:
                # What was changed here after it was archived there is wanted again.
                new[id] = todo
        self._import(new)
        self._remove([id for id in {**self.known, **dict.fromkeys(self.gone)} if id not in todos])

    def _import(self, todos: Mapping[str, Todo]) -> None:
        if not todos:
            return
        try:
            import_todos(self.board, list(todos.values())).warn()
        except _REFUSALS:
            # They and those that are there would wait in a circle: each comes by itself, at worst to wait for nobody.
            for id, todo in todos.items():
                self.import_one(id, todo)
        for id, todo in todos.items():
            task = self._read(id)
            self.known[id] = Known(of_todo(todo), of_task(task))
            self.edited.add(id)

    def import_one(self, id: str, todo: Todo) -> None:
        try:
            import_todos(self.board, [todo]).warn()
        except _REFUSALS as error:
            warn_of(id, "dependencies", str(error))
            import_todos(self.board, [without_links(todo)]).warn()

    def _remove(self, ids: Collection[str]) -> None:
        for id in ids:
            self.known.pop(id, None)
            # It may have to stay on the board for a while, and stays out of the file.
            self.gone.add(id)
            if id in self.tasks and not self.tasks[id].is_finished:
                self.board.cancel(id, reason="removed from the Todo2 file", by=_BY).check()
                self._read(id)
        for id in ids:
            if id in self.tasks and self.has_below(id, besides=self.gone):
                # To archive it would take along what is still wanted.
                continue
            if id in self.tasks:
                # What is below it goes with it, and isn't found any more when its turn comes.
                try:
                    self.board.archive(id, by=_BY).check()
                except Invalid:
                    # Something that waits for it, or is below it, is still to be done: it is tried again each time.
                    continue
                except NotFound:
                    pass
                del self.tasks[id]
            self.gone.discard(id)

    def has_below(self, id: str, *, besides: Collection[str] = ()) -> bool:
        """Whether any task is below this one, besides those."""
        if self._children is None:
            self._children = {}
            for task in self.tasks.values():
                self._children.setdefault(task.parent, []).append(task.id)
        path = [id]
        while path:
            below = [each for each in self._children.get(path.pop(), []) if each in self.tasks]
            if any(each not in besides for each in below):
                return True
            path.extend(below)
        return False

    def _change(self, id: str, todo: Todo) -> None:
        task = self.tasks[id]
        known = self.known.get(id)
        if known is None:
            # It was there before the file was: the file says what is to become of it.
            is_now = of_task(task)
            known = self.known[id] = Known(dict(is_now), is_now)
            self.edited.add(id)
        said, was = of_todo(todo), known.todo
        differs = {key for key in {*said, *was} if said.get(key) != was.get(key)}
        if differs:
            self.edited.add(id)
        wanted = {key for key in differs if not self._is_conflict(id, key, said, known)}
        if wanted:
            self.kept[id] = wanted
            _Change(self, id, todo, said, wanted).run()

    def _is_conflict(self, id: str, key: str, said: Meaning, known: Known) -> bool:
        task = self.tasks[id]
        theirs = of_task(task, known.task)
        now = theirs.get(key)
        if now == known.task.get(key) or now == said.get(key):
            return False
        # What nobody has on the board is nobody's to lose, and what was begun here is gone on with.
        ours = task.claim is not None and task.claim.session == _SESSION
        ours |= now == "blocked" and (task.reason or "").endswith(_TOO_EARLY)
        if (key == "status" and (now == "pending" or ours)) or (key == "assignee" and now is None):
            return False
        warnings.warn(
            f"`{id}`: the file says {key} = {said.get(key)!r}, the board {now!r}, and both were changed: "
            "the board's is kept",
            Todo2Conflict,
            stacklevel=2,
        )
        return True

    def _read(self, id: str) -> Task:
        task = self.tasks[id] = self.board.task(id)
        return task

    def wait(self, id: str, keys: Collection[str]) -> None:
        """Leaves these for the next time."""
        was = self.known[id].todo
        self.waiting.setdefault(id, {}).update({key: was.get(key) for key in keys})


def import_todos(board: Board, todos: list[Todo]) -> ImportReport:
    """Brings todos onto the board, where they aren't there already."""
    return board.import_tasks(FORMAT, todos, lease=LEASE_SECONDS)


def warn_of(id: str, field: str, why: str) -> None:
    """Warns of what stays in the file alone."""
    said = f"`{id}`: {field}: the file says so, and the board can't: {why}"
    warnings.warn(said, NotMapped, stacklevel=2)


class _Change:
    """What was changed in one todo, on its way to the board."""

    def __init__(
        self, all: Absorbing, id: str, todo: Todo, said: Meaning, wanted: set[str]
    ) -> None:
        self.all = all
        self.board = all.board
        self.id = id
        self.todo = todo
        self.said = said
        self.wanted = wanted

    @property
    def task(self) -> Task:
        return self.all.tasks[self.id]

    def run(self) -> None:
        goal: str = self.said["status"]
        goes = "status" in self.wanted and self.task.status != goal
        if goes and self.task.status == "completed":
            self._attempt("status", self._begin_anew)
            return
        if goes and self.task.is_finished:
            self._attempt("status", self._retry)
        if "assignee" in self.wanted:
            self._attempt("assignee", self._reassign)
            # Who was in progress for somebody else is in progress for the new one.
            goes |= goal == "in_progress" and self.task.status == "pending"
        self._attempt("fields", self._update)
        for key in self.wanted:
            if key.startswith("fixed:"):
                warn_of(self.id, key.removeprefix("fixed:"), "a task keeps it for life")
        if goes:
            self._attempt("status", lambda: self._go_to(goal))

    def _attempt(self, field: str, step: Any) -> None:
        try:
            step()
        except _REFUSALS as error:
            warn_of(self.id, field, str(error))
        self.all._read(self.id)

    def _retry(self) -> None:
        self.board.retry(self.id, by=_BY).check()

    def _begin_anew(self) -> None:
        """What is completed stays so on a board, therefore it is put away, and the todo comes as a new task."""
        if self.all.has_below(self.id):
            raise Invalid(
                f"`{self.id}` is completed and has tasks below it, which would be archived with it: add another todo"
            )
        self.board.archive(self.id, by=_BY).check()
        # If this is as far as it gets, the next one finds a todo that was changed and has no task, and imports it.
        self.all.import_one(self.id, self.todo)

    def _reassign(self) -> None:
        if self.task.is_finished:
            # As with other fields.
            self.all.wait(self.id, ["assignee"])
            return
        who = assignee_of(self.todo)
        claim, reserved = self.task.claim, self.task.assignee
        if claim is not None and (who is None or who.name != claim.agent):
            reason = "reassigned in the Todo2 file"
            self.board.release_by_force(self.id, reason=reason, by=_BY).check()
        if reserved is not None and (who is None or who.name != reserved.name):
            self.board.unassign(self.id, name=reserved.name, by=_BY).check()
        if who is not None:
            self.board.assign(self.id, who, by=_BY).check()

    def _update(self) -> None:
        keys = {key for key in self.wanted if key.startswith("own:") or key in ("priority", "tags")}
        if not keys:
            return
        if self.task.is_finished:
            # It is told if the task is ever taken up again.
            self.all.wait(self.id, keys)
            return
        own = {key.removeprefix("own:"): key for key in keys if key.startswith("own:")}
        changes = {name: self.said[key] for name, key in own.items() if key in self.said}
        changed: dict[str, Any] = {}
        if own:
            changed["data"] = data_with(self.task, changes, own.keys() - changes.keys())
        if "priority" in keys:
            changed["priority"] = self.said["priority"]
        if "tags" in keys:
            changed["labels"] = self.said["tags"]
        self.board.update(self.id, **changed, by=_BY).check()

    def _go_to(self, goal: str) -> None:
        self._leave(goal)
        status = self.all._read(self.id).status
        if status == goal:
            return
        if goal == "cancelled":
            self.board.cancel(self.id, reason="cancelled in the Todo2 file", by=_BY).check()
        elif goal == "blocked" or (goal == "in_review" and status == "pending"):
            # What is in review isn't to be done, and nobody is given what is blocked.
            reason = f"{goal} in the Todo2 file"
            self.board.block(self.id, reason=reason, force=True, by=_BY).check()
        elif goal == "pending":
            reason = "handed back in the Todo2 file"
            self.board.release_by_force(self.id, reason=reason, by=_BY).check()
        elif goal in ("in_progress", "completed", "failed"):
            self._work(goal)

    def _leave(self, goal: str) -> None:
        """Makes a task pending that stands where it can't go on from."""
        status = self.task.status
        if status == goal:
            return
        if status == "blocked":
            self.board.unblock(self.id, reason="unblocked in the Todo2 file", by=_BY).check()
        elif status == "in_review":
            self.board.review(self.id, accept=goal == "completed", by=_BY).check()

    def _work(self, goal: str) -> None:
        """Claims the task, unless somebody has it, and ends it, in the name of whose it is."""
        if self.task.claim is None and not self._claim():
            self.all.wait(self.id, ["status"])
            if goal != "in_progress":
                # It can't be ended yet, and nobody is to do it again.
                self.board.block(self.id, reason=f"{goal}{_TOO_EARLY}", by=_BY).check()
            return
        claim = self.all._read(self.id).claim
        assert claim is not None
        if goal == "completed":
            self.board.complete(self.id, claim.agent, result=self.todo.get("result"))
        elif goal == "failed":
            error = self.todo.get("error")
            self.board.fail(self.id, claim.agent, error=None if error is None else str(error))

    def _claim(self) -> bool:
        if self.id in self.all.locked:
            # This thread itself has locked it: when it lets go, this is done.
            return False
        who = self.task.assignee or assignee_of(self.todo) or _NOBODY
        agent = self.board.agent(
            who.name,
            kind=who.kind,
            hostname=who.hostname,
            capabilities=self.task.needs,
            session=_SESSION,
            living=False,
        )
        try:
            return isinstance(agent.claim_or_why(self.id, lease=LEASE_SECONDS), Claim)
        except LockTimeout:
            # Somebody has locked it by hand.
            return False
