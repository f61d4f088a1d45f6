"""What this process last saw of Todo2 files, so that it need not read again what nobody has changed.

Whoever looks has the state lock. It takes what there is out, and puts it back once the file, the board and this say the
same: what an exception leaves half changed is gone with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskhost.compat._todo2_meaning import Todo
from taskhost.compat._todo2_memory import Memory

__all__ = ["Seen", "keep", "take"]

#: Of how many files, at most.
_FILES_MAX = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """A file, byte by byte and as read, and what was known when it agreed with its board."""

    text: bytes
    digest: str
    state: dict[str, Any]
    #: By the board's ids; objects of ``state``.
    todos: dict[str, Todo]
    memory: Memory


_seen: dict[Path, Seen] = {}


def take(lock: Path) -> Seen | None:
    """What was seen last of the file that has this lock; it isn't there any more afterwards."""
    return _seen.pop(lock, None)


def keep(lock: Path, seen: Seen) -> None:
    """Keeps this for the next one."""
    _seen[lock] = seen
    for oldest in list(_seen)[:-_FILES_MAX]:
        _seen.pop(oldest, None)
