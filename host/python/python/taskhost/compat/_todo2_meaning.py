"""What a todo of a Todo2 file means, what a task of a board means, and how one is told in the words of the other.

A *meaning* is a flat dictionary that can be compared and kept as JSON:

=================  ===================================================================
``status``         the board's word for where it stands
``assignee``       ``[name, kind]`` of who has it, by reservation or by claim, or ``None``
``priority``       a number
``tags``           a sorted list
``fixed:``\\ *key*   of a todo: what a board's task keeps for life
``ended:``\\ *key*   of a task: how it ended, which is written to the file and never read from it
``own:``\\ *key*     whatever else it has
=================  ===================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from taskhost.task import Assignee, Task

__all__ = [
    "Meaning",
    "Todo",
    "assignee_of",
    "data_with",
    "of_task",
    "of_todo",
    "touch",
    "without_links",
    "write",
]

Todo = dict[str, Any]
Meaning = dict[str, Any]

_STATUS_WORDS = {
    "pending": "pending todo to_do open new available queued ready created backlog waiting not_started unassigned",
    "in_progress": "in_progress inprogress doing started claimed assigned active running working wip",
    "in_review": "in_review review reviewing",
    "blocked": "blocked on_hold paused parked",
    "completed": "completed complete done finished closed success succeeded resolved",
    "failed": "failed failure error",
    "cancelled": "cancelled canceled aborted abandoned skipped",
}
_STATUS_OF = {word: status for status, words in _STATUS_WORDS.items() for word in words.split()}
_WORD_OF = {
    "pending": "Todo",
    "in_progress": "In Progress",
    "in_review": "Review",
    "blocked": "Blocked",
    "completed": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
_PRIORITY_OF = {"low": -1, "medium": 0, "normal": 0, "high": 1, "critical": 2, "urgent": 2}
_PRIORITY_WORDS = {-1: "low", 0: "medium", 1: "high", 2: "critical"}
_KINDS = ("agent", "host", "human")

_TAGS = ("tags", "labels")
_UPDATED = ("updated_at", "updatedAt", "last_modified", "lastModified")
_FIXED = {
    "type": ("type",),
    "parent": ("parent_id", "parentId", "parent"),
    "after": ("dependencies", "depends_on", "dependsOn"),
}
_ENDED = {
    "completed_at": ("completed_at", "completedAt"),
    "result": ("result",),
    "error": ("error", "error_message"),
}
_CREATED = ("created_at", "createdAt", "created")
#: Of several names for one thing the first that a todo has counts, and the others are its own.
_GROUPS = (_TAGS, _UPDATED, _CREATED, *_FIXED.values(), *_ENDED.values())
_SINGLE = ("id", "status", "assignee", "priority")
#: The key in a task's data that belongs to the import.
_IMPORTED = "_imported"


def word_of(todo: Mapping[str, Any]) -> str:
    """The board's word for what the todo's status says, whoever has it."""
    said = todo.get("status")
    if said is None:
        return "pending"
    word = str(said).strip().lower().replace(" ", "_").replace("-", "_")
    # An unknown one is parked, so that nobody is given what may not be meant to be done.
    return _STATUS_OF.get(word, "blocked")


def assignee_of(todo: Mapping[str, Any]) -> Assignee | None:
    """For whom the todo is."""
    said = todo.get("assignee")
    if not isinstance(said, Mapping):
        return Assignee(str(said)) if said else None
    if not said.get("name"):
        return None
    kind = str(said.get("type") or said.get("kind") or "agent").lower()
    return Assignee(
        str(said["name"]),
        kind if kind in _KINDS else "agent",
        _text(said.get("hostname")),
        _text(said.get("assigned_by")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def of_todo(todo: Mapping[str, Any]) -> Meaning:
    """What a todo means."""
    who = assignee_of(todo)
    status = word_of(todo)
    if status == "in_progress" and who is None:
        # In progress by nobody: anybody may have it.
        status = "pending"
    meaning: Meaning = {
        "status": status,
        "assignee": None if who is None else [who.name, who.kind],
        "priority": _priority(todo.get("priority")),
        "tags": _tags(todo.get(_named(todo, _TAGS))),
    }
    for key, names in _FIXED.items():
        meaning[f"fixed:{key}"] = todo.get(_named(todo, names))
    roles = {_named(todo, names) for names in _GROUPS}.union(_SINGLE)
    meaning.update((f"own:{key}", value) for key, value in todo.items() if key not in roles)
    return meaning


def of_task(task: Task, before: Meaning | None = None) -> Meaning:
    """What a task means, of which ``before`` was known."""
    who: list[str] | None = None
    if task.assignee is not None:
        who = [task.assignee.name, task.assignee.kind]
    elif task.claim is not None:
        who = [task.claim.agent, task.claim.kind]
    elif task.is_finished and before is not None:
        # Who did it is still told when nobody has it any more.
        who = before.get("assignee")
    meaning: Meaning = {
        "status": task.status,
        "assignee": who,
        "priority": task.priority,
        "tags": sorted(task.labels),
    }
    if task.completed_at is not None:
        meaning["ended:completed_at"] = _iso(task.completed_at)
    if task.result is not None:
        meaning["ended:result"] = task.result
    if task.error is not None:
        meaning["ended:error"] = task.error
    own = task.data if isinstance(task.data, dict) else {}
    roles = {name for names in _GROUPS for name in names}.union(_SINGLE, [_IMPORTED])
    meaning.update((f"own:{key}", value) for key, value in own.items() if key not in roles)
    return meaning


def data_with(task: Task, changes: Mapping[str, Any], gone: set[str]) -> Any:
    """The task's data with these of the todo's own fields changed, and those gone."""
    if isinstance(task.data, dict):
        data = dict(task.data)
    else:
        data = {} if task.data is None else {"data": task.data}
    data.update(changes)
    return {key: value for key, value in data.items() if key not in gone}


def without_links(todo: Todo) -> Todo:
    """The todo as one that names no others."""
    links = {*_FIXED["parent"], *_FIXED["after"]}
    return {key: value for key, value in todo.items() if key not in links}


def write(todo: Todo, key: str, value: Any) -> None:
    """Says in the todo what ``key`` of a meaning is now."""
    kind, _, name = key.partition(":")
    if kind == "own":
        _set(todo, name, value)
    elif kind == "ended":
        _set(todo, _named(todo, _ENDED[name]), value)
    elif key == "status":
        todo["status"] = _WORD_OF[value]
    elif key == "assignee":
        _set(todo, key, None if value is None else {"name": value[0], "type": value[1]})
    elif key == "priority":
        todo[key] = _PRIORITY_WORDS.get(value, value)
    elif key == "tags":
        _set(todo, _named(todo, _TAGS), value or None)


def touch(todo: Todo, now: datetime) -> None:
    """Says when the todo was changed, if it says so at all and as text."""
    name = _named(todo, _UPDATED)
    if isinstance(todo.get(name), str):
        todo[name] = _iso(now)


def _set(todo: Todo, name: str, value: Any) -> None:
    if value is None:
        todo.pop(name, None)
    else:
        todo[name] = value


def _named(todo: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((name for name in names if name in todo), names[0])


def _priority(said: object) -> int:
    if isinstance(said, bool):
        return 0
    if isinstance(said, int):
        return said
    return _PRIORITY_OF.get(said.strip().lower(), 0) if isinstance(said, str) else 0


def _tags(said: object) -> list[str]:
    if isinstance(said, str):
        said = said.split(",")
    if not isinstance(said, list):
        return []
    return sorted({str(tag).strip() for tag in said if str(tag).strip()})


def _iso(at: datetime) -> str:
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
