"""``TaskManager``: the tasks of a workflow, which any number of agents work off together.

::

    from taskhost.compat.task_manager import TaskManager, TaskStatus

    tm = TaskManager("states/nightly.json")
    tm.create_task("fetch", {"url": "https://example.org/a"})
    while task := tm.get_next_task("worker-1", ["fetch"]):
        tm.complete_task(task["id"], "worker-1", result_data=fetch(task["data"]["url"]))

The tasks of the workflow with the state file ``nightly.json`` are on the board ``nightly.json.taskhost`` beside it. A
state file that is there already is brought along when it is opened, and not changed. The command ``taskhost --board
nightly.json.taskhost`` and :class:`taskhost.Board` work on the same tasks; what they can do and a ``TaskManager`` can't
say is shown as near as it comes: a parked task as pending, one in review as in progress.

What is guaranteed:

- A task has one holder. Whoever was given it is the only one who can complete or release it.
- What a call has answered is on the disk.
- A child waits until its parent is completed. If the parent fails or is cancelled, it goes on waiting.
- A task that is held for ``task_timeout_hours`` without a heartbeat is given to somebody else, any number of times. Its
  former holder gets ``False`` from then on.
- Agents are told apart by ``agent_id`` alone, so one may get a task in one process and complete it in another. Within a
  manager, each thread is also held to the claims that it was given itself: one that comes late doesn't end the claim
  of another thread, or of another manager, under the same name.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final

from taskhost._process import PerProcess
from taskhost.agent import Agent
from taskhost.board import Board, board_id
from taskhost.compat._boards import board_beside, bring_along
from taskhost.compat._durable import replace_file
from taskhost.compat._manager_tasks import (
    FORMAT,
    as_dict,
    error_of,
    reason_of,
    shown_status,
    was_cancelled,
)
from taskhost.compat.file_ops import format_json
from taskhost.errors import Invalid, NotFound, Taken, UsageError
from taskhost.files import Remark
from taskhost.task import Task

__all__ = ["TaskManager", "TaskStatus"]

_HOURS_MAX: Final = 30 * 24


class TaskStatus(str, Enum):
    """Where a task stands. Each is equal to its word: ``TaskStatus.FAILED == "failed"``."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    def __str__(self) -> str:
        return self.value


class TaskManager:
    """The tasks of the workflow that has this state file; see :mod:`taskhost.compat.task_manager`.

    A call waits at most ``lock_timeout`` seconds for others to get out of its way, then raises
    :class:`taskhost.LockTimeout`, a ``TimeoutError``, and has done nothing. What an agent gets is its own for
    ``task_timeout_hours``, fractions and at most 720, from when it got it or last said so by :meth:`heartbeat`. If the
    manager is ``living``, it comes back at once when the process that got it ends.

    Any number of threads may use a manager, and it can be handed to other processes.
    """

    def __init__(
        self,
        state_file: str | os.PathLike[str],
        lock_timeout: float = 5,
        task_timeout_hours: float = 24,
        *,
        living: bool = False,
    ) -> None:
        self._lease_ms = _lease_ms(task_timeout_hours)
        self.state_file = Path(os.path.abspath(state_file))
        self.lock_timeout = lock_timeout
        self.task_timeout_hours = task_timeout_hours
        self.living = living
        self.board: Board = board_beside(
            self.state_file,
            timeout=lock_timeout,
            # Stale tasks were handed out without end.
            settings={
                "parent": "parent-first",
                "lease": f"{self._lease_ms}ms",
                "max_attempts": "0",
            },
        )
        self._tokens = _Tokens()
        self._bring_along()

    def __repr__(self) -> str:
        return f"TaskManager({str(self.state_file)!r})"

    def __reduce__(self) -> Any:
        make = partial(TaskManager, living=self.living)
        return make, (self.state_file, self.lock_timeout, self.task_timeout_hours)

    # Adding

    def create_task(
        self,
        task_type: str,
        data: dict[str, Any] | None = None,
        parent_id: str | None = None,
    ) -> str:
        """Adds a task and gives its id. It waits for its parent, if it has one, which must be there already."""
        parent = None if parent_id is None else board_id(parent_id)
        return self.board.add(task_type, parent=parent, data={} if data is None else data).id

    # Working

    def get_next_task(
        self, agent_id: str, task_types: Iterable[str] | None = None
    ) -> dict[str, Any] | None:
        """Gives ``agent_id`` the oldest task that is ready, of any of ``task_types`` if there are any; else ``None``."""
        claim = self._agent(agent_id).claim(types=task_types or (), lease=self._lease_ms / 1000)
        if claim is None:
            return None
        self._tokens.remember(claim.id, agent_id, claim.token)
        return as_dict(claim.task)

    def complete_task(
        self,
        task_id: str,
        agent_id: str,
        status: TaskStatus | str = TaskStatus.COMPLETED,
        result_data: Any = None,
    ) -> bool:
        """Ends a task that ``agent_id`` holds, as completed, failed or cancelled; ``result_data`` stays with it.

        ``False`` if ``agent_id`` doesn't hold the task, or doesn't any more: nothing is changed then. The same call
        repeated gives ``True`` again. A result is 1 MiB of JSON at most, that of a failed task 64 KiB, that of a
        cancelled one 4 KiB.
        """
        id = board_id(task_id)
        # A word is equal to its status.
        if status == TaskStatus.COMPLETED:
            return self._complete(id, agent_id, result_data)
        if status == TaskStatus.FAILED:
            return self._fail(id, agent_id, result_data)
        if status == TaskStatus.CANCELLED:
            return self._cancel(id, agent_id, result_data)
        raise UsageError(
            f"a task doesn't end as `{status}`: say `completed`, `failed` or `cancelled`, or hand it back by "
            "`release_task`"
        )

    def release_task(self, task_id: str, agent_id: str) -> bool:
        """Hands a task back, for anybody to get; ``False`` if ``agent_id`` doesn't hold it."""
        id = board_id(task_id)
        token = self._tokens.of(id, agent_id)
        return _unless_not_held(lambda: self.board.release(id, agent_id, token=token)) is not None

    def heartbeat(self, task_id: str, agent_id: str) -> bool:
        """Says that the work goes on: the task's time begins anew. ``False`` if ``agent_id`` doesn't hold it: stop."""
        id = board_id(task_id)
        token, lease = self._tokens.of(id, agent_id), self._lease_ms / 1000
        beat = partial(self.board.heartbeat, id, agent_id, token=token, lease=lease)
        return _unless_not_held(beat) is not None

    def _complete(self, id: str, agent_id: str, result: Any) -> bool:
        token = self._tokens.of(id, agent_id)
        end = partial(self.board.complete, id, agent_id, token=token, result=result)
        return _unless_not_held(end) is not None

    def _fail(self, id: str, agent_id: str, result: Any) -> bool:
        token, error = self._tokens.of(id, agent_id), error_of(result)
        task = _unless_not_held(
            lambda: self.board.fail(id, agent_id, token=token, error=error)
        )
        # That it failed before with another error is not this call's doing.
        return task is not None and task.error == error

    def _cancel(self, id: str, agent_id: str, result: Any) -> bool:
        """Cancels a task for its holder.

        A board cancels for anybody, so it is looked first who holds the task, and its lock is kept from then on:
        nobody is given it in between, and nobody else's work is cancelled.
        """
        reason = reason_of(agent_id, result)
        task = self._find(id)
        if task is None or not (self._holds(task, agent_id) or was_cancelled(task, reason)):
            return False
        with self.board.lock_task(id, who=agent_id):
            task = self.board.task(id)
            if not self._holds(task, agent_id):
                return was_cancelled(task, reason)
            failure = self.board.cancel(id, reason=reason, by=agent_id).failed.get(id)
        if failure is None:
            return True
        if isinstance(failure, Invalid):
            # Another thread of the same holder has just ended it otherwise.
            return False
        raise failure

    def _holds(self, task: Task, agent_id: str) -> bool:
        if task.claim is None or task.claim.agent != agent_id:
            return False
        return self._tokens.of(task.id, agent_id) in (None, task.claim.token)

    def _agent(self, agent_id: str) -> Agent:
        if not self.living:
            return self.board.agent(agent_id, living=False)
        # For as long as the process lives, whatever becomes of this manager: what it got is being worked on.
        key = (self.board, agent_id)
        agent = _living.get(key)
        return agent or _living.setdefault(key, self.board.agent(agent_id, living=True))

    # Looking

    def get_task(self, task_id: str) -> dict[str, Any] | None:
        """A task as it is now; ``None`` if there is none of this id."""
        task = self._find(board_id(task_id))
        return None if task is None else as_dict(task)

    def get_task_children(self, task_id: str) -> list[dict[str, Any]]:
        """The children of a task, oldest first."""
        page = self.board.list(parent=board_id(task_id), limit=None)
        return [as_dict(task) for task in page]

    def get_status_summary(self) -> dict[str, Any]:
        """How many tasks there are, as ``total_tasks``, ``status_counts`` with every status, and ``type_counts``.

        The three are of one moment.
        """
        types = self.board.census()
        statuses: Counter[str] = Counter()
        for by_status in types.values():
            for status, count in by_status.items():
                statuses[shown_status(status)] += count
        return {
            "total_tasks": statuses.total(),
            "status_counts": {status.value: statuses[status.value] for status in TaskStatus},
            "type_counts": {type: sum(by_status.values()) for type, by_status in types.items()},
        }

    def _find(self, id: str) -> Task | None:
        try:
            return self.board.task(id)
        except NotFound as error:
            if error.code != "no_such_task":
                raise
            return None

    # The workflow

    def update_workflow_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Sets these values of the workflow's metadata, and leaves the others; ``None`` removes one.

        Of two who do so at once, one comes after the other. They are on the board, as ``taskhost meta`` shows them,
        so a key is a letter or digit, then up to 127 letters, digits, ``.``, ``_``, ``:`` or ``-``.
        """
        for key, value in metadata.items():
            if board_id(key) != key:
                raise UsageError(
                    f"`{key}` can't be a key of metadata: use letters, digits, `.`, `_`, `:` and `-`"
                )
            # What JSON can't say is refused before anything is changed.
            json.dumps(value, allow_nan=False)
        with self.board.lock_task("workflow-metadata"):
            for key, value in metadata.items():
                self.board.set_meta(key, value)

    def get_workflow_metadata(self) -> dict[str, Any]:
        """The workflow's metadata, which earlier was to be read from the state file."""
        return {
            key: value
            for key, value in self.board.meta().items()
            # What is remembered of state files isn't the workflow's.
            if key != "imported" and not key.startswith("imported:")
        }

    def export_state(self) -> tuple[Remark, ...]:
        """Writes all of it to the state file, for going back; gives what could not be written.

        Programs that work on the state file itself must have stopped by then.
        """
        with self.board.lock_task("workflow-state-file"):
            # What was written there meanwhile would be lost.
            self._bring_along()
            return _write_state(self.board, self.state_file)

    def _bring_along(self) -> None:
        bring_along(self.board, self.state_file, FORMAT, lease=self._lease_ms / 1000)


class _Tokens:
    """The tokens of the claims that a manager has handed out.

    Each thread has those it was given itself; for others' there are those that were given last. Of claims that are
    older than the last ten thousand, the agent's name is the proof.
    """

    _KEPT_MAX: Final = 10_000

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int] = {}
        self._thread = threading.local()
        # A forked child has the tokens, but a lock of its own: who held it isn't there.
        self._guard = PerProcess(threading.Lock)

    def remember(self, id: str, agent_id: str, token: int) -> None:
        with self._guard.get():
            for tokens in (self._last, self._own()):
                tokens.pop((id, agent_id), None)
                tokens[id, agent_id] = token
                if len(tokens) > self._KEPT_MAX:
                    del tokens[next(iter(tokens))]

    def of(self, id: str, agent_id: str) -> int | None:
        with self._guard.get():
            key = (id, agent_id)
            return self._own().get(key, self._last.get(key))

    def _own(self) -> dict[tuple[str, str], int]:
        own: dict[tuple[str, str], int] = self._thread.__dict__.setdefault("tokens", {})
        return own


_living: dict[tuple[Board, str], Agent] = {}


def _lease_ms(hours: float) -> int:
    if not 0 < hours <= _HOURS_MAX:
        raise UsageError(
            f"`task_timeout_hours` is {hours}: say more than 0 and at most {_HOURS_MAX}, and call `heartbeat` for work "
            "that takes longer"
        )
    return max(round(hours * 3_600_000), 1)


def _unless_not_held(end: Callable[[], Task]) -> Task | None:
    """What ``end`` gives; ``None`` if its caller doesn't hold the task, or there is none."""
    try:
        return end()
    except (Taken, Invalid):
        return None
    except NotFound as error:
        if error.code != "no_such_task":
            raise
        return None


def _write_state(board: Board, path: Path) -> tuple[Remark, ...]:
    """Puts a new state file in the place of what is there. Whoever reads it has all of the one or all of the other."""
    with tempfile.TemporaryDirectory() as directory:
        fresh = Path(directory, "state.json")
        remarks = board.export_file(fresh, format=FORMAT)
        state = json.loads(fresh.read_bytes())
    for task in board.tasks(status=["failed", "cancelled"]):
        # Their results are in texts on the board, which this format has no place for.
        shown = as_dict(task)
        entry = state["tasks"].get(shown["id"])
        if entry is not None and entry["status"] == shown["status"] and "result" in shown:
            entry["result"] = shown["result"]
    replace_file(path, format_json(state))
    return remarks
