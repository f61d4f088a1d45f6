"""Tasks, as they are read from a board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["Assignee", "ClaimInfo", "Task"]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


@dataclass(frozen=True, slots=True)
class Assignee:
    """For whom a task is reserved. Lasting, without a lease."""

    name: str
    kind: str = "agent"
    hostname: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimInfo:
    """One session's hold on one task, as everybody sees it."""

    agent: str
    kind: str
    hostname: str | None
    session: str
    token: int
    since: datetime
    lease_until: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A task as it was when it was read. It doesn't change: read it again to see what became of it.

    ``status`` is ``pending``, ``in_progress``, ``in_review``, ``blocked``, ``completed``, ``failed`` or ``cancelled``.
    Times are aware ``datetime`` objects in UTC. ``data`` and ``result`` are whatever JSON was given.
    """

    id: str
    type: str
    status: str
    reason: str | None
    parent: str | None
    after: tuple[str, ...]
    priority: int
    labels: tuple[str, ...]
    needs: tuple[str, ...]
    assignee: Assignee | None
    data: Any
    key: str | None
    attempts: int
    claim: ClaimInfo | None
    result: Any
    error: str | None
    not_before: datetime | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    _wire: Mapping[str, Any] = field(repr=False)

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, however it ended."""
        return self.status in ("completed", "failed", "cancelled")

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON has it, with times as text: what ``taskhost --json show`` prints as ``task``."""
        return dict(self._wire)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self._wire == other._wire

    def __hash__(self) -> int:
        return hash(self.id)

    @classmethod
    def _read(cls, wire: Mapping[str, Any]) -> Task:
        claim, assignee = wire["claim"], wire["assignee"]
        if claim is not None:
            times = {name: _time(claim[name]) for name in ("since", "lease_until")}
            claim = ClaimInfo(**{**claim, **times})
        return cls(
            id=wire["id"],
            type=wire["type"],
            status=wire["status"],
            reason=wire["reason"],
            parent=wire["parent"],
            after=tuple(wire["after"]),
            priority=wire["priority"],
            labels=tuple(wire["labels"]),
            needs=tuple(wire["needs"]),
            assignee=None if assignee is None else Assignee(**assignee),
            data=wire["data"],
            key=wire["key"],
            attempts=wire["attempts"],
            claim=claim,
            result=wire["result"],
            error=wire["error"],
            not_before=_time(wire["not_before"]),
            created_at=datetime.fromisoformat(wire["created_at"].replace("Z", "+00:00")),
            updated_at=datetime.fromisoformat(wire["updated_at"].replace("Z", "+00:00")),
            completed_at=_time(wire["completed_at"]),
            _wire=wire,
        )
