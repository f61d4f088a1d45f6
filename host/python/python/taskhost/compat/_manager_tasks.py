"""A board's tasks as ``TaskManager`` shows them: dictionaries, in the words of its state files.

A task that failed or was cancelled has a text on the board, its error or reason, where a ``TaskManager`` has a result.
:func:`error_of` and :func:`reason_of` say a result in such a text, and :func:`as_dict` reads it from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from taskhost.board import shaped
from taskhost.task import Task

__all__ = ["FORMAT", "as_dict", "error_of", "reason_of", "shown_status", "was_cancelled"]

FORMAT: Final = "task-manager"

_FIELDS: Final = (
    "id",
    "type",
    "status",
    "parent_id",
    "locked_by",
    "locked_at",
    "created_at",
    "completed_at",
    "data",
)

_WITH_RESULT: Final = " with the result "


def as_dict(task: Task) -> dict[str, Any]:
    """The task with the fields of a state file's, and those that it came with from one."""
    shape = shaped(FORMAT, task)
    shown: dict[str, Any] = {**dict.fromkeys(_FIELDS), **shape, "status": shown_status(task.status)}
    if task.claim is None:
        # A state file may name the last holder of what is done.
        shown["locked_by"] = shown["locked_at"] = None
    result = _told_result(task)
    if result is not None:
        shown["result"] = result
    return shown


def shown_status(status: str) -> str:
    """The one of the five words for a board's status; a board has two more."""
    return {"blocked": "pending", "in_review": "in_progress"}.get(status, status)


def error_of(result: Any) -> str | None:
    """The error of a task that failed with this result."""
    if result is None:
        return None
    if isinstance(result, Mapping) and list(result) == ["error"]:
        # The usual case is said as `taskhost fail --error` does, and shaped so by itself.
        text = result["error"]
        if isinstance(text, str) and _WITH_RESULT not in text:
            return text
    return f"failed{_WITH_RESULT}{json.dumps(result, allow_nan=False)}"


def reason_of(agent_id: str, result: Any) -> str:
    """The reason of a task that its holder cancelled with this result."""
    reason = f"cancelled by its holder `{agent_id}`"
    if result is None:
        return reason
    return f"{reason}{_WITH_RESULT}{json.dumps(result, allow_nan=False)}"


def was_cancelled(task: Task, reason: str) -> bool:
    """Whether the task was cancelled for just this reason."""
    return task.status == "cancelled" and task.reason == reason


def _told_result(task: Task) -> Any:
    """The result that a task has in its error or reason, if it has one there."""
    text = {"failed": task.error, "cancelled": task.reason}.get(task.status)
    begin, _, told = (text or "").partition(_WITH_RESULT)
    if not begin.startswith(task.status):
        return None
    try:
        return json.loads(told)
    except ValueError:
        # Somebody's own words.
        return None
