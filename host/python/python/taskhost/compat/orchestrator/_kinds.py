"""Kinds of agents and tasks, a task as this system shows it, and the board that stands behind all of it."""

from __future__ import annotations

import json
import os
from enum import Enum
from pathlib import Path
from typing import Any

from taskhost.board import Board, shaped
from taskhost.compat._boards import board_beside
from taskhost.errors import UsageError
from taskhost.task import Task

__all__ = ["ANY_AGENT", "QUEUE_SESSION", "AgentType", "Priority", "QueuedTask", "TaskStatus"]

ANY_AGENT = "any"
"""The type of tasks that are for every agent."""

QUEUE_SESSION = "queue-"
"""The sessions begin so in which a queue claims for an agent: such a claim can be handed to a spawned one."""

_DEFAULT_PATH = "tasks.db"
_TIMEOUT = 10.0


class AgentType(Enum):
    """The programs that work on tasks; ``CUSTOM`` is whichever command it is given."""

    CLAUDE = "claude"
    CODEX = "codex"
    GEMINI = "gemini"
    CUSTOM = "custom"


class Priority(Enum):
    """How urgent a task is."""

    HIGH = 1
    NORMAL = 2
    LOW = 3


class TaskStatus(Enum):
    """Where a task stands. It is in progress from when it is assigned: ``ASSIGNED`` is another name for that."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    ASSIGNED = "in_progress"
    IN_REVIEW = "in_review"
    BLOCKED = "blocked"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class QueuedTask(dict[str, Any]):
    """A task as it was when it was read: ``task["id"]`` and ``task.id`` are the same.

    ``id``, ``description``, ``agent_type``, ``status``, ``priority``, ``created_at``, ``assigned_to``, ``assigned_at``,
    ``completed_at``, ``result``, ``error``, ``context`` (a dict) and ``claim_token`` are always there; whatever else an
    imported database had is beside them. Times are ISO 8601, local time.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the task has no `{name}`: it has {', '.join(self)}") from None


def open_board(path: str | os.PathLike[str] | None) -> Board:
    """The board beside this file, or beside the usual one."""
    if path is not None and os.fspath(path) == ":memory:":
        raise UsageError("a board is always on disk: name a file, in a temporary directory if need be")
    # Parents say what belongs together here; only dependencies are waited for.
    settings = {"lease": "24h", "parent": "independent"}
    return board_beside(file_of(path), timeout=_TIMEOUT, settings=settings)


def file_of(path: str | os.PathLike[str] | None) -> Path:
    """Where the database was, or would be."""
    return Path(_DEFAULT_PATH if path is None else path)


def type_name(agent_type: AgentType | str | None) -> str:
    """The type of tasks for agents of this type."""
    name = agent_type.value if isinstance(agent_type, AgentType) else agent_type
    return str(name or ANY_AGENT)


def board_priority(priority: Priority | int) -> int:
    """How urgent a task is on a board, where the highest number is first and not the lowest."""
    number = priority.value if isinstance(priority, Priority) else priority
    return int(Priority.NORMAL.value) - number


def queued(task: Task) -> QueuedTask:
    """A board's task as this system shows it."""
    row = shaped("sqlite", task)
    type = row.pop("type", None)
    row.setdefault("agent_type", type or ANY_AGENT)
    is_imported = isinstance(task.data, dict) and "_imported" in task.data
    if not is_imported:
        row["priority"] = Priority.NORMAL.value - task.priority
    # A status as an old program wrote it may be another word for the same.
    row["status"] = task.status
    for name in ("context", "dependencies", "tags"):
        if name in row:
            row[name] = _decoded(row[name])
    row["context"] = row.get("context") or {}
    row["claim_token"] = None if task.claim is None else task.claim.token
    for name in ("assigned_to", "assigned_at", "completed_at", "result", "error"):
        row.setdefault(name, None)
    row.setdefault("description", "")
    row.setdefault("priority", Priority.NORMAL.value)
    return QueuedTask(row)


def _decoded(value: Any) -> Any:
    """What a database keeps as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
