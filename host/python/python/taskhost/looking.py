"""What happened on a board, and why a task can or can't be claimed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskhost.task import Assignee, Task

__all__ = ["Event", "Explanation", "History"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. ``agent`` is who did it; ``holder`` is whose claim it was about.

    ``command`` is what was asked for, such as ``complete``; ``event`` is what came of it, such as ``completed``, and
    ``details`` is what else there is to say. Events of one ``sequence`` happened at one instant.
    """

    sequence: int
    time: datetime
    command: str
    event: str
    agent: str | None
    holder: str | None
    task: str | None
    details: Mapping[str, Any]

    @classmethod
    def _read(cls, wire: Mapping[str, Any]) -> Event:
        time = datetime.fromisoformat(wire["time"].replace("Z", "+00:00"))
        return cls(**{**wire, "time": time})


@dataclass(frozen=True, slots=True)
class History:
    """Some of the events that were asked for, the newest last, and how many there are in all.

    ``next_cursor`` is where the page before it ends, and ``None`` if there is none. ``begins_with`` is the first
    sequence that is kept.
    """

    events: tuple[Event, ...]
    total: int
    next_cursor: str | None
    begins_with: int

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a task can or can't be claimed now, by ``agent`` or by anybody. It is true if the task can be.

    ``obstacles`` are what is in the way, each a mapping as ``taskhost --json explain`` prints it; ``roots`` are where the
    waiting begins, the first 10. Only ``assignee``, if there is one, can claim it, and who can do all that it
    ``needs``. ``log`` is what the policy said. ``holder_ended``: whoever holds it is known to have ended, so that the
    next claim takes it back.
    """

    task: Task
    agent: str | None
    claimable: bool
    obstacles: tuple[Mapping[str, Any], ...]
    roots: tuple[Mapping[str, Any], ...]
    assignee: Assignee | None
    needs: tuple[str, ...]
    log: tuple[str, ...]
    holder_ended: bool

    def __bool__(self) -> bool:
        return self.claimable

    @classmethod
    def _read(cls, wire: Mapping[str, Any]) -> Explanation:
        assignee = wire["by"]["assignee"]
        return cls(
            task=Task._read(wire["task"]),
            agent=wire["agent"],
            claimable=wire["claimable"],
            obstacles=tuple(wire["obstacles"]),
            roots=tuple(wire["roots"]),
            assignee=None if assignee is None else Assignee(**assignee),
            needs=tuple(wire["by"]["needs"]),
            log=tuple(wire["log"]),
            holder_ended=wire["holder_ended"],
        )
