"""``TaskPool`` and ``A2AClient``: tasks that several agents take from one directory, each of them once.

::

    from taskhost.compat.a2a import TaskPool

    pool = TaskPool()
    task = pool.claim_task("task-123", "agent-456", timeout=5.0)
    if task:
        print(task["task_id"], "since", task["claimed_at"])
        pool.complete_task("task-123", "agent-456", {"lines": 120})

The tasks are on a board beside the directory, ``tasks.taskhost`` for ``tasks``. Files that other programs leave in
``available`` are brought there when they are asked for or listed, under the lock that those programs know, so that
old and new ones can work side by side: each task is one program's. Lock files stay where they are.

What happens is logged as ``taskhost.compat.a2a``: each record has ``event`` (``claimed``, ``lock_wait``, ``timeout``,
``conflict``, ``unknown``, ``not_ready``, …), ``task_id``, ``agent_id``, and where they are known ``waited_s`` and
``holder``. Who did what when is also in the board's history: ``taskhost --board tasks.taskhost history``.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from taskhost.agent import Claim, Nothing
from taskhost.board import Board, board_id, shaped
from taskhost.compat._a2a_directory import TaskDirectory, task_id_of, tell_of
from taskhost.compat._boards import board_beside
from taskhost.errors import Invalid, LockTimeout, NotFound, Taken, TaskhostError
from taskhost.task import Task

__all__ = ["A2AClient", "TaskPool"]

_log = logging.getLogger("taskhost.compat.a2a")

_BOARD_TIMEOUT = 10.0
_WAITED_LONG = 0.1
"""Waiting this many seconds for a file's lock is worth a line in the log."""


class TaskPool:
    """Tasks that are available, claimed or completed.

    ``base_dir`` is the directory with ``available``, ``claimed`` and ``completed`` in it: ``A2A_TASKS_DIR`` if it is
    set, or else ``tasks`` in ``A2A_BASE_DIR``, which is ``/tmp/orchestration/a2a`` unless it is set.

    A claim holds for ``lease_hours``, and any process may go on with it, by the name of its agent. If the pool is
    ``living``, what it has claimed comes back as soon as this process dies.

    Any number of threads and processes may use a pool.
    """

    def __init__(
        self,
        base_dir: str | os.PathLike[str] | None = None,
        *,
        lease_hours: float = 24.0,
        living: bool = False,
    ) -> None:
        self.tasks_dir = _default_directory() if base_dir is None else Path(base_dir)
        self.available_dir = self.tasks_dir / "available"
        self.claimed_dir = self.tasks_dir / "claimed"
        self.completed_dir = self.tasks_dir / "completed"
        self._lease = lease_hours * 3600
        self._living = living
        # Here agents wait for their dependencies, and for nothing else.
        settings = {"lease": "24h", "parent": "independent"}
        self.board = board_beside(self.tasks_dir, timeout=_BOARD_TIMEOUT, settings=settings)
        self._directory = TaskDirectory(self.tasks_dir, self.board, self._lease)
        self._directory.look()

    def claim_task(
        self, task_id: str, agent_id: str, timeout: float = 10.0
    ) -> dict[str, Any] | None:
        """Claims a task for an agent; ``None`` if somebody has it, it isn't there or ready, or time ran out.

        The task is as it was published, with ``task_id``, ``status``, ``claimed_by`` and ``agent_id`` (the agent),
        ``claimed_at`` (ISO 8601, local time) and ``claim_token``. The token is higher for each claim of the task:
        :meth:`complete_task` compares it, if it is given.

        ``timeout`` is for all locks together: that of the task's file, the task's own, and the board's.
        """
        began = time.monotonic()
        about = {"task_id": task_id, "agent_id": agent_id}
        timeout = max(timeout, 0.0)
        try:
            directory = self._directory.waiting_as(self._board_for(timeout))
            waited = directory.fetch(task_id, timeout)
            if waited > _WAITED_LONG:
                _say(logging.INFO, "lock_wait", "waited for the lock of its file", about, waited)
            left = max(timeout - (time.monotonic() - began), 0.0)
            claim = self._claim(task_id, agent_id, left)
        except LockTimeout as error:
            holder = error.details.get("holder")
            _say(logging.WARNING, "timeout", str(error), about, _since(began), holder=holder)
        except Taken as error:
            _say(logging.INFO, "conflict", str(error), about, _since(began), holder=error.holder)
        except NotFound as error:
            _say(logging.INFO, "unknown", str(error), about, _since(began))
        except Invalid as error:
            # It has ended, or is parked.
            _say(logging.INFO, "conflict", str(error), about, _since(began))
        else:
            if isinstance(claim, Claim):
                _say(logging.INFO, "claimed", "claimed", about, _since(began))
                return _task_dict(claim.task)
            why = claim.detail or claim.reason
            _say(logging.INFO, "not_ready", f"nobody can claim it now: {why}", about, _since(began))
        return None

    def complete_task(
        self, task_id: str, agent_id: str, result: Any = None, *, token: int | None = None
    ) -> bool:
        """The agent has done the task; says whether it was its to complete. With ``token``, only that very claim is."""
        id = board_id(task_id)
        return self._end(
            "completed",
            task_id,
            agent_id,
            lambda: self.board.complete(id, agent_id, token=token, result=result),
        )

    def fail_task(
        self, task_id: str, agent_id: str, error: str | None = None, *, token: int | None = None
    ) -> bool:
        """The agent could not do the task; says whether it was its to fail."""
        id = board_id(task_id)
        return self._end(
            "failed",
            task_id,
            agent_id,
            lambda: self.board.fail(id, agent_id, token=token, error=error),
        )

    def release_task(
        self, task_id: str, agent_id: str, reason: str | None = None, *, token: int | None = None
    ) -> bool:
        """Hands the task back, for others to claim; says whether the agent had it."""
        id = board_id(task_id)
        return self._end(
            "released",
            task_id,
            agent_id,
            lambda: self.board.release(id, agent_id, token=token, reason=reason),
        )

    def heartbeat(self, task_id: str, agent_id: str, *, token: int | None = None) -> bool:
        """Holds the task for another ``lease_hours``; says whether the agent has it."""
        id = board_id(task_id)
        return self._end(
            "heartbeat",
            task_id,
            agent_id,
            lambda: self.board.heartbeat(id, agent_id, token=token, lease=self._lease),
        )

    def create_task(self, task: Mapping[str, Any]) -> str:
        """Makes a task available and gives its ``task_id``, one of its own if it has none.

        Known fields are ``type``, ``priority``, ``parent_id``, ``dependencies``, ``tags`` and
        ``required_capabilities``; all others are kept. Raises :class:`taskhost.Invalid` if the id is in use.
        """
        fields = dict(task)
        task_id = task_id_of(fields)
        if task_id is None:
            task_id = fields["task_id"] = str(uuid.uuid4())
        report = self.board.import_tasks("a2a", [fields], lease=self._lease)
        if not report.added:
            raise Invalid(
                f"there is a task `{task_id}` already: choose another id, or leave it out",
                code="id_in_use",
                details={"task": task_id},
            )
        tell_of(report)
        return task_id

    def publish_task(
        self,
        task_id: str,
        task_description: str,
        requirements: Iterable[str] | None = None,
        constraints: Mapping[str, Any] | None = None,
    ) -> bool:
        """Makes a task available under this id; says ``False`` if there is one already."""
        task = {
            "task_id": task_id,
            "description": task_description,
            "requirements": list(requirements or ()),
            "constraints": dict(constraints or {}),
        }
        try:
            self.create_task(task)
        except Invalid as error:
            if error.code != "id_in_use":
                raise
            _say(logging.WARNING, "conflict", str(error), {"task_id": task_id, "agent_id": None})
            return False
        return True

    def get_task(self, task_id: str) -> dict[str, Any] | None:
        """A task as it is now, wherever it stands; ``None`` if it isn't there."""
        self._directory.fetch(task_id, self.board.timeout)
        try:
            return _task_dict(self.board.task(board_id(task_id)))
        except NotFound:
            return None

    def get_available_tasks(
        self, capability_filter: Iterable[str] | None = None
    ) -> list[dict[str, Any]]:
        """What could be claimed now, the oldest first; with a filter, by somebody who can do just that."""
        self._directory.look()
        tasks = [_task_dict(task) for task in self.board.tasks(ready=True)]
        if capability_filter is None:
            return tasks
        able = set(capability_filter)
        return [task for task in tasks if _required(task) <= able]

    def __repr__(self) -> str:
        return f"TaskPool({str(self.tasks_dir)!r})"

    def _claim(self, task_id: str, agent_id: str, timeout: float) -> Claim | Nothing:
        id = board_id(task_id)
        board = self._board_for(timeout)
        needs = board.task(id).needs
        # Whoever names a task is taken to be able to do it.
        agent = board.agent(
            agent_id,
            capabilities=needs,
            living=False,
            holder_pid=os.getpid() if self._living else None,
        )
        return agent.claim_or_why(id, lease=self._lease)

    def _board_for(self, timeout: float) -> Board:
        """The board, for one who waits so long: each handle waits as long as it was opened for."""
        is_usual = abs(timeout - self.board.timeout) < _WAITED_LONG
        return self.board if is_usual else Board(self.board.path, timeout=timeout)

    def _end(
        self, event: str, task_id: str, agent_id: str, end: Callable[[], object]
    ) -> bool:
        about = {"task_id": task_id, "agent_id": agent_id}
        try:
            end()
        except (Invalid, NotFound, Taken) as error:
            _say(logging.WARNING, "conflict", f"not {event}: {error}", about, holder=_holder(error))
            return False
        _say(logging.INFO, event, event, about)
        return True


class A2AClient:
    """An agent, and the tasks that it can do.

    ``agent_type`` and ``capabilities`` decide what :meth:`get_compatible_tasks` lists; ``workspace`` is kept for the
    caller. ``base_dir`` is :class:`TaskPool`'s, or ``task_pool`` is one.
    """

    def __init__(
        self,
        agent_id: str,
        agent_type: str,
        capabilities: Iterable[str],
        workspace: str | os.PathLike[str],
        *,
        base_dir: str | os.PathLike[str] | None = None,
        task_pool: TaskPool | None = None,
    ) -> None:
        self.agent_id = agent_id
        self.agent_type = agent_type
        self.capabilities = list(capabilities)
        self.workspace = workspace
        self.task_pool = TaskPool(base_dir) if task_pool is None else task_pool

    def get_compatible_tasks(self) -> list[dict[str, Any]]:
        """What this agent could claim now, the oldest first.

        All that a task requires must be among the agent's capabilities: what stands in its ``required_capabilities``,
        ``capabilities`` or ``requirements``, or in the ``required_capabilities`` of its ``constraints``. A task with an
        ``agent_type`` is for agents of that type; ``any`` is for all.
        """
        tasks = self.task_pool.get_available_tasks(self.capabilities)
        return [task for task in tasks if task.get("agent_type") in (None, "", "any", self.agent_type)]

    def claim_task(self, task_id: str, timeout: float = 10.0) -> dict[str, Any] | None:
        """:meth:`TaskPool.claim_task` for this agent. A task that is named is claimed even if it isn't compatible."""
        return self.task_pool.claim_task(task_id, self.agent_id, timeout)

    def complete_task(
        self, task_id: str, result: Any = None, *, token: int | None = None
    ) -> bool:
        """This agent has done the task; says whether it was its to complete."""
        return self.task_pool.complete_task(task_id, self.agent_id, result, token=token)

    def fail_task(
        self, task_id: str, error: str | None = None, *, token: int | None = None
    ) -> bool:
        """This agent could not do the task; says whether it was its to fail."""
        return self.task_pool.fail_task(task_id, self.agent_id, error, token=token)

    def release_task(
        self, task_id: str, reason: str | None = None, *, token: int | None = None
    ) -> bool:
        """Hands the task back; says whether this agent had it."""
        return self.task_pool.release_task(task_id, self.agent_id, reason, token=token)

    def publish_task(
        self,
        task_description: str,
        requirements: Iterable[str] | None = None,
        constraints: Mapping[str, Any] | None = None,
    ) -> str:
        """Makes a task available and gives its id."""
        task_id = str(uuid.uuid4())
        self.task_pool.publish_task(task_id, task_description, requirements, constraints)
        return task_id

    def __repr__(self) -> str:
        return f"<A2AClient {self.agent_id!r} on {self.task_pool!r}>"


def _default_directory() -> Path:
    tasks = os.environ.get("A2A_TASKS_DIR")
    return Path(tasks or Path(os.environ.get("A2A_BASE_DIR") or "/tmp/orchestration/a2a") / "tasks")


def _task_dict(task: Task) -> dict[str, Any]:
    """The task as these systems know it, with every name under which they look for its id and its holder."""
    fields = shaped("a2a", task)
    fields.setdefault("task_id", fields.get("id", task.id))
    if task.claim is not None:
        holder = task.claim.agent
        fields.update(claimed_by=holder, agent_id=holder, claim_token=task.claim.token)
    return fields


def _required(task: Mapping[str, Any]) -> set[str]:
    constraints = task.get("constraints")
    nested = constraints.get("required_capabilities") if isinstance(constraints, dict) else None
    named = (task.get(name) for name in ("required_capabilities", "capabilities", "requirements"))
    lists = [list_ for list_ in (*named, nested) if isinstance(list_, list)]
    return {item for list_ in lists for item in list_ if isinstance(item, str)}


def _holder(error: TaskhostError) -> str | None:
    return error.holder if isinstance(error, Taken) else None


def _since(began: float) -> float:
    return round(time.monotonic() - began, 6)


def _say(
    level: int,
    event: str,
    what: str,
    about: Mapping[str, str | None],
    waited_s: float | None = None,
    holder: str | None = None,
) -> None:
    extra = {"event": event, **about, "waited_s": waited_s, "holder": holder}
    _log.log(level, "task %s, agent %s: %s", about["task_id"], about["agent_id"], what, extra=extra)
