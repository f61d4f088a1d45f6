"""The queue of tasks."""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from types import TracebackType
from typing import Any

from taskhost.agent import Claim
from taskhost.board import Board, board_id
from taskhost.compat._boards import bring_along
from taskhost.compat.orchestrator._kinds import (
    ANY_AGENT,
    QUEUE_SESSION,
    AgentType,
    Priority,
    QueuedTask,
    TaskStatus,
    board_priority,
    file_of,
    open_board,
    queued,
    type_name,
)
from taskhost.errors import Invalid, NotFound, Taken, UsageError
from taskhost.task import Task

__all__ = ["TaskQueue"]

_log = logging.getLogger("taskhost.compat.orchestrator")

_FOR_ALL = (ANY_AGENT, "task")
"""The types of tasks that are for every agent: those added here, and those imported without a type."""

_NOBODY = "orchestrator"
"""Who ends a task that nobody has claimed."""

_ENDING_S = 60.0
"""For how many seconds a task is claimed to be ended at once. If this process dies in between, it comes back then."""


class TaskQueue:
    """Tasks, each given to one agent at a time.

    ``db_path`` is the database of the old system, ``tasks.db`` in the current directory unless it is named. If it is
    there, its tasks are brought along. The board beside it holds a task for an agent for ``lease_hours``; after that,
    the task is another's to do, and the first agent can't end it any more.
    """

    def __init__(
        self, db_path: str | os.PathLike[str] | None = None, *, lease_hours: float = 24.0
    ) -> None:
        self.db_path = file_of(db_path)
        self.board: Board = open_board(db_path)
        self._lease = lease_hours * 3600
        # A file that somebody has only opened yet is empty.
        if self.db_path.is_file() and self.db_path.stat().st_size > 0:
            bring_along(self.board, self.db_path, "sqlite", lease=self._lease)

    # Adding and looking

    def add_task(
        self,
        description: str,
        agent_type: AgentType | str = ANY_AGENT,
        priority: Priority | int = Priority.NORMAL,
        context: Mapping[str, Any] | None = None,
        *,
        task_id: str | None = None,
        dependencies: Iterable[str] = (),
    ) -> str:
        """Adds a task for agents of a type, or for any, and gives its id; one is made if none is given.

        It waits until its ``dependencies``, which are ids, are completed. With a ``priority`` of 1, ``HIGH``, it comes
        before those with a higher number.
        """
        if not description.strip():
            raise UsageError("a task needs a description: say what is to be done")
        task = self.board.add(
            type_name(agent_type),
            id=task_id,
            after=[board_id(id) for id in dependencies],
            priority=board_priority(priority),
            data={"description": description, "context": dict(context or {})},
        )
        return task.id

    def get_task(self, task_id: str) -> QueuedTask | None:
        """A task as it is now; ``None`` if there is none."""
        task = self._find(task_id)
        return None if task is None else queued(task)

    def list_tasks(
        self,
        status: TaskStatus | str | None = None,
        agent_type: AgentType | str | None = None,
    ) -> list[QueuedTask]:
        """All tasks, or those of a status or for a type of agent; the oldest first."""
        query: dict[str, Any] = {}
        if status is not None:
            query["status"] = _status(status).value
        if agent_type is not None:
            query["type"] = type_name(agent_type)
        return [queued(task) for task in self.board.tasks(**query)]

    def get_all_tasks(self, status: TaskStatus | str | None = None) -> list[QueuedTask]:
        """All tasks, or those of a status; the newest first."""
        return self.list_tasks(status)[::-1]

    def get_next_task(self, agent_type: AgentType | str | None = None) -> QueuedTask | None:
        """The oldest of the most urgent tasks that such an agent could be given now. It is nobody's yet."""
        ready = list(self.board.tasks(ready=True, type=_types(agent_type)))
        return queued(max(ready, key=lambda task: task.priority)) if ready else None

    # Working

    def get_and_assign_next_task(
        self,
        agent_type: AgentType | str | None,
        agent_id: str,
        *,
        capabilities: Iterable[str] = (),
    ) -> QueuedTask | None:
        """Gives an agent the next task for its type or for any; ``None`` if there is none now.

        The most urgent come first, then the oldest. No task is given to two agents, whatever process they ask in.
        Without a type, it may be any task. Tasks that need something are only given to agents with all of those
        ``capabilities``.
        """
        claim = self._claim(None, agent_id, _types(agent_type), capabilities, self._lease)
        return None if claim is None else queued(claim.task)

    def assign_task(self, task_id: str, agent_id: str) -> bool:
        """Gives an agent this task; says ``False`` if it isn't there, isn't ready, or is somebody's."""
        assign = partial(self._claim_named, task_id, agent_id, self._lease)
        return self._tried("assigned", task_id, assign)

    def update_task_status(
        self,
        task_id: str,
        status: TaskStatus | str,
        result: Any = None,
        error: str | None = None,
        *,
        agent_id: str | None = None,
        token: int | None = None,
    ) -> bool:
        """Says where a task stands now; says ``False`` if it can't go there, or isn't the agent's.

        With ``agent_id``, it must be that agent's task, and with ``token`` (``task["claim_token"]``) that very claim;
        without, whoever has it has it ended. ``IN_PROGRESS`` extends the agent's lease, ``PENDING`` hands the task back
        or, if it had failed, has it tried again.
        """
        wanted = _status(status)
        task = self._find(task_id)
        if task is None:
            return False
        return self._tried(
            wanted.value,
            task_id,
            lambda: self._move(task, wanted, result, error, agent_id, token),
        )

    update_status = update_task_status

    def complete_task(
        self,
        task_id: str,
        result: Any = None,
        *,
        agent_id: str | None = None,
        token: int | None = None,
    ) -> bool:
        """The task is done. See :meth:`update_task_status`."""
        return self.update_task_status(
            task_id, TaskStatus.COMPLETED, result, agent_id=agent_id, token=token
        )

    def fail_task(
        self,
        task_id: str,
        error: str | None = None,
        *,
        agent_id: str | None = None,
        token: int | None = None,
    ) -> bool:
        """The task could not be done. See :meth:`update_task_status`."""
        return self.update_task_status(
            task_id, TaskStatus.FAILED, error=error, agent_id=agent_id, token=token
        )

    # Numbers and upkeep

    def get_stats(self) -> dict[str, int]:
        """How many tasks stand where."""
        counts = self.board.counts().by_status
        return {status.value: counts.get(status.value, 0) for status in TaskStatus}

    def get_memory_stats(self) -> dict[str, Any]:
        """What the queue takes up.

        ``task_counts`` is :meth:`get_stats`. ``db_size_bytes`` and ``db_size_mb`` are of all of the board's files.
        ``connection_pool`` says who uses it here: there are no connections to run out of, but one open board that all
        ``threads`` of this process share.
        """
        size = sum(
            os.lstat(os.path.join(folder, name)).st_size
            for folder, _, names in os.walk(self.board.path)
            for name in names
        )
        return {
            "task_counts": self.get_stats(),
            "db_size_bytes": size,
            "db_size_mb": size / (1024 * 1024),
            "connection_pool": {"open_boards": 1, "threads": threading.active_count()},
        }

    def cleanup_old_tasks(self, days: float = 7) -> int:
        """Takes tasks off the board that were completed or failed so long ago; says how many."""
        before = datetime.now(timezone.utc) - timedelta(days=days)
        old = [
            task.id
            for task in self.board.tasks(status=["completed", "failed"])
            if task.updated_at < before
        ]
        return len(self.board.archive(old).done) if old else 0

    def close(self) -> None:
        """There is nothing to close: a board that is open holds nobody up."""

    def __enter__(self) -> TaskQueue:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"TaskQueue({str(self.db_path)!r})"

    # One step each

    def _find(self, task_id: str) -> Task | None:
        try:
            return self.board.task(board_id(task_id))
        except NotFound:
            return None

    def _claim_named(self, task_id: str, agent_id: str, lease: float) -> Claim | None:
        # Whoever names a task is taken to be able to do it.
        task = self.board.task(board_id(task_id))
        return self._claim(task.id, agent_id, (), task.needs, lease)

    def _claim(
        self,
        id: str | None,
        agent_id: str,
        types: Iterable[str],
        capabilities: Iterable[str],
        lease: float,
    ) -> Claim | None:
        # The session tells the spawner that this claim is its to take over.
        session = f"{QUEUE_SESSION}{uuid.uuid4().hex}"
        agent = self.board.agent(
            agent_id, living=False, session=session, capabilities=capabilities
        )
        return agent.claim(id, types=types, lease=lease)

    def _move(
        self,
        task: Task,
        wanted: TaskStatus,
        result: Any,
        error: str | None,
        agent_id: str | None,
        token: int | None,
    ) -> object:
        """Moves a task; what is false says that it didn't move."""
        if wanted is TaskStatus.PENDING:
            return self._put_back(task, agent_id, token)
        if wanted is TaskStatus.CANCELLED:
            return self.board.cancel(task.id, reason=error, by=agent_id).check()
        if wanted not in (TaskStatus.IN_PROGRESS, TaskStatus.COMPLETED, TaskStatus.FAILED):
            raise UsageError(f"`{wanted.value}` isn't a status that a task is put in: see `update_task_status`")
        if task.claim is None and task.status == "pending":
            lease = self._lease if wanted is TaskStatus.IN_PROGRESS else _ENDING_S
            claim = self._claim_named(task.id, agent_id or _NOBODY, lease)
            if claim is None:
                return False
            task, token = claim.task, claim.token
        agent, token = _holder(task, agent_id, token)
        if wanted is TaskStatus.IN_PROGRESS:
            return self.board.heartbeat(task.id, agent, token=token, lease=self._lease)
        if wanted is TaskStatus.FAILED:
            return self.board.fail(task.id, agent, token=token, error=error)
        return self.board.complete(task.id, agent, token=token, result=result)

    def _put_back(self, task: Task, agent_id: str | None, token: int | None) -> object:
        if task.claim is not None:
            agent, token = _holder(task, agent_id, token)
            task = self.board.release(task.id, agent, token=token)
        elif task.is_finished:
            self.board.retry(task.id, by=agent_id).check()
        # Whoever it was kept for may be gone.
        return task.assignee is None or self.board.unassign(task.id, by=agent_id).check()

    def _tried(self, what: str, task_id: str, change: Callable[[], object]) -> bool:
        try:
            return bool(change())
        except (Invalid, NotFound, Taken) as error:
            _log.warning("task %s isn't %s: %s", task_id, what, error, extra={"task_id": task_id})
            return False


def _holder(task: Task, agent_id: str | None, token: int | None) -> tuple[str, int | None]:
    """In whose name a claim is ended, and which: the one that was just looked at, unless somebody says who they are."""
    if agent_id is not None:
        return agent_id, token
    if task.claim is None:
        return _NOBODY, token
    return task.claim.agent, task.claim.token if token is None else token


def _status(status: TaskStatus | str) -> TaskStatus:
    if isinstance(status, TaskStatus):
        return status
    word = "in_progress" if status == "assigned" else status
    try:
        return TaskStatus(word)
    except ValueError:
        known = ", ".join(status.value for status in TaskStatus)
        raise UsageError(f"`{status}` is no status: say one of {known}") from None


def _types(agent_type: AgentType | str | None) -> tuple[str, ...]:
    if agent_type is None or agent_type == "":
        return ()
    return tuple(dict.fromkeys((type_name(agent_type), *_FOR_ALL)))
