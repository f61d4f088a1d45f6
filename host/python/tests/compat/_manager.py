"""What the tests of ``TaskManager`` share."""

from __future__ import annotations

import multiprocessing
from typing import Any

from taskhost.compat.task_manager import TaskManager

FORK = multiprocessing.get_context("fork")
SPAWN = multiprocessing.get_context("spawn")

# Those of a task, in the order of a state file.
FIELDS = [
    "id",
    "type",
    "status",
    "parent_id",
    "locked_by",
    "locked_at",
    "created_at",
    "completed_at",
    "data",
]


def given(tm: TaskManager, agent: str, types: list[str] | None = None) -> dict[str, Any]:
    """The next task of an agent, which there must be."""
    task = tm.get_next_task(agent, types)
    assert task is not None
    return task


def found(tm: TaskManager, id: str) -> dict[str, Any]:
    task = tm.get_task(id)
    assert task is not None
    return task


def take_away(tm: TaskManager, id: str) -> None:
    """What happens to a holder whose time is over, without waiting for it."""
    tm.board.release_by_force(id).check()
