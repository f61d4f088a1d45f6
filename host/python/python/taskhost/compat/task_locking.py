"""Assigning Todo2 tasks, so that each is assigned once, however many try.

::

    success, error = atomic_assign_task("T-123", "backend-agent")
    if not success:
        print(error)              # Task already assigned to agent:other-agent

Assignments are made on the board beside the project's ``.todo2/state.todo2.json``, where agents can claim the tasks,
and written into that file. A task that somebody claims on the board counts as assigned to them. For changes of other
kinds, and for how the project is found, see :mod:`.file_lock`.

What is in the way is answered, and not raised: that a task isn't there, is assigned, is locked, or is refused by the
board. A name that can't be one, a damaged file or board, and a disk that fails are raised.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from taskhost.board import Board, board_id
from taskhost.compat._todo2 import Snapshot, StateFile, state_file
from taskhost.compat._todo2_meaning import Todo, assignee_of
from taskhost.errors import Invalid, LockTimeout, NotFound, Refused, Taken
from taskhost.task import Assignee, Task

__all__ = ["atomic_assign_task", "atomic_batch_assign", "atomic_check_and_assign"]

_Root = str | os.PathLike[str] | None

_LOCKED = "Lock timeout"
_MISSING = "Task not found"


def atomic_assign_task(
    task_id: str,
    assignee_name: str,
    assignee_type: str = "agent",
    hostname: str | None = None,
    assigned_by: str | None = None,
    timeout: float = 5.0,
    *,
    root: _Root = None,
) -> tuple[bool, str | None]:
    """Assigns a task that nobody has: ``(True, None)``, or ``(False, why not)``.

    Why not is ``"Task already assigned to kind:name"``, also if that is who is to get it; ``"Task not found"``;
    ``"Lock timeout"``, if others had the task or the state locked for ``timeout`` seconds; or what the board says, for
    instance of a task that is done. ``assignee_type`` is ``agent``, ``host`` or ``human``; the file keeps any other, and
    on the board it is an agent.
    """
    said = _assignee(assignee_name, assignee_type, hostname, assigned_by)
    why = _assign([task_id], said, timeout, root).refusals.get(task_id)
    return (why is None, why)


def atomic_check_and_assign(
    task_id: str,
    assignee_name: str,
    assignee_type: str = "agent",
    hostname: str | None = None,
    assigned_by: str | None = None,
    timeout: float = 5.0,
    *,
    root: _Root = None,
) -> dict[str, Any]:
    """The same, with who has it: ``{"assigned": bool, "existing_assignee": …, "reason": …}``.

    ``existing_assignee`` is that of the todo, a dictionary with ``name`` and ``type``, or ``None``; ``reason`` is why it
    isn't assigned, or ``None``.
    """
    said = _assignee(assignee_name, assignee_type, hostname, assigned_by)
    outcome = _assign([task_id], said, timeout, root)
    why = outcome.refusals.get(task_id)
    return {
        "assigned": why is None,
        "existing_assignee": outcome.existing.get(task_id),
        "reason": why,
    }


def atomic_batch_assign(
    task_ids: Iterable[str],
    assignee_name: str,
    assignee_type: str = "agent",
    hostname: str | None = None,
    assigned_by: str | None = None,
    timeout: float = 10.0,
    *,
    root: _Root = None,
) -> dict[str, Any]:
    """Assigns all of these tasks or none: ``{"assigned": [id, …], "failed": [{"task_id": …, "reason": …}, …]}``.

    One of the two lists is empty, and the other has every task in the order given. If one can't be assigned, the reason
    of those that could have been says so: ``"Not assigned, because T-2 can't be"``.
    """
    if isinstance(task_ids, str):
        raise TypeError("`task_ids` is one text: give a list of ids, such as `[id]`")
    ids = list(dict.fromkeys(task_ids))
    said = _assignee(assignee_name, assignee_type, hostname, assigned_by)
    refusals = _assign(ids, said, timeout, root).refusals
    if not refusals:
        return {"assigned": ids, "failed": []}
    others = f"Not assigned, because {', '.join(refusals)} can't be"
    failed = [{"task_id": id, "reason": refusals.get(id, others)} for id in ids]
    return {"assigned": [], "failed": failed}


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Why which tasks could not be assigned, and who has them."""

    refusals: dict[str, str] = field(default_factory=dict)
    existing: dict[str, Todo] = field(default_factory=dict)


def _assign(ids: list[str], said: Todo, timeout: float, root: _Root) -> _Outcome:
    """Assigns all of them if none is refused."""
    place = state_file(root)
    if not place.path.exists():
        return _Outcome(dict.fromkeys(ids, _MISSING))
    attempt = _Attempt(place, timeout, ids, said)
    try:
        with place.hold(ids, timeout, first=attempt.look):
            return attempt.run()
    except _NotThere as missing:
        return missing.outcome
    except LockTimeout:
        return _Outcome(dict.fromkeys(ids, _LOCKED))


class _NotThere(Exception):
    """Tasks aren't there, which is no reason to lock them."""

    def __init__(self, outcome: _Outcome) -> None:
        self.outcome = outcome


class _Attempt:
    """One try to assign some tasks."""

    def __init__(self, place: StateFile, timeout: float, ids: list[str], said: Todo) -> None:
        self._place = place
        self._timeout = timeout
        self._ids = {board_id(id): id for id in ids}
        self._said = said
        self._found: Snapshot | None = None

    def look(self) -> None:
        """Sees what there is, under the state lock."""
        found = self._found = self._place.agree(self._timeout)
        if found is None:
            raise _NotThere(_Outcome(dict.fromkeys(self._ids.values(), _MISSING)))
        if not all(id in found.todos for id in self._ids):
            raise _NotThere(self._refused(self._place.board(self._timeout), found))

    def run(self) -> _Outcome:
        """Assigns them, under the tasks' locks too: nobody claims one of them meanwhile."""
        found = self._found
        assert found is not None
        board = self._place.board(self._timeout)
        outcome = self._refused(board, found)
        if outcome.refusals:
            return outcome
        try:
            changed = board.assign(
                list(self._ids),
                assignee_of({"assignee": self._said}) or "",
                by=self._said["assigned_by"],
                all_or_nothing=True,
            )
        except (Invalid, NotFound, Refused, Taken) as error:
            # Somebody did something on the board since we looked.
            task = self._ids.get(str(error.details.get("task")))
            ids = self._ids.values() if task is None else [task]
            why = _MISSING if isinstance(error, NotFound) else str(error)
            return _Outcome(dict.fromkeys(ids, why))
        try:
            self._place.assigned(self._timeout, found, changed.touched, self._said)
        except LockTimeout as error:
            # They are assigned, and must not be said not to be: the next one writes it into the file.
            warnings.warn(f"the assignment isn't in the file yet: {error}", stacklevel=5)
        return outcome

    def _refused(self, board: Board, found: Snapshot) -> _Outcome:
        outcome = _Outcome()
        for on_board, id in self._ids.items():
            task, todo = found.task(board, on_board), found.todos.get(on_board)
            if task is None or todo is None:
                outcome.refusals[id] = _MISSING
            elif (existing := _existing(task, todo)) is not None:
                outcome.existing[id] = existing
                who = f"{existing.get('type') or 'agent'}:{existing['name']}"
                outcome.refusals[id] = f"Task already assigned to {who}"
            elif task.is_finished:
                outcome.refusals[id] = f"Task is {task.status}: set it to Todo first"
        return outcome


def _existing(task: Task, todo: Todo) -> Todo | None:
    """Who has the task: as the file says it, if the file says the same as the board."""
    written = assignee_of(todo)
    holder = None if task.claim is None else Assignee(task.claim.agent, task.claim.kind)
    who = task.assignee or holder or written
    if who is None:
        return None
    if written is not None and written.name == who.name and isinstance(todo["assignee"], dict):
        return copy.deepcopy(todo["assignee"])
    return {"name": who.name, "type": who.kind}


def _assignee(name: str, kind: str, hostname: str | None, by: str | None) -> Todo:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return {
        "type": kind,
        "name": name,
        "hostname": hostname,
        "assigned_at": now.replace("+00:00", "Z"),
        "assigned_by": by,
    }
