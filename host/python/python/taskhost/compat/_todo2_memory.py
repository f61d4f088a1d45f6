"""What was known of a Todo2 file and its board when they last agreed.

It is kept with the board as lines of JSON: first all of it, then what each agreement since has changed. So an
assignment writes what it changed, and not thousands of todos; once the changes are longer than the first line, they
and it become one. All of this is done under the state lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from taskhost.board import Board
from taskhost.compat._todo2_meaning import Meaning
from taskhost.compat.file_ops import format_json

__all__ = ["Known", "Memory"]

_KEY = "known"
_OWNER = "todo2-file"
#: How long the changes may become in any case, in bytes.
_CHANGES_MIN = 4096


@dataclass(slots=True)
class Known:
    """What a todo meant in the file, and its task on the board, when the two last agreed. Replaced, never changed."""

    todo: Meaning
    task: Meaning


@dataclass(frozen=True, slots=True)
class _Kept:
    """What stands with the board, which began with ``whole`` bytes of all of it."""

    text: bytes = b""
    whole: int = 0
    known: dict[str, Known] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Memory:
    """What was known of the file and the board when they last agreed."""

    digest: str = ""
    known: dict[str, Known] = field(default_factory=dict)
    #: What was removed from the file and can't be archived yet.
    gone: set[str] = field(default_factory=set)
    #: Whether something of the file is still to be done on the board.
    is_waiting: bool = False
    #: The board's last entry then; -1 where others may have written meanwhile.
    sequence: int = -1
    _kept: _Kept = field(default_factory=_Kept)

    @classmethod
    def recall(cls, board: Board, earlier: Memory | None = None) -> Memory:
        """What the board keeps; of what ``earlier`` was kept or recalled with, only what came since is read.

        ``earlier`` is given away, and must not have been changed since.
        """
        text = board.context(_KEY, agent=_OWNER) or b""
        if earlier is None or not text.startswith(earlier._kept.text):
            earlier = cls()
        for line in text[len(earlier._kept.text) :].splitlines():
            earlier._learn(json.loads(line))
        whole = earlier._kept.whole or text.find(b"\n") + 1
        earlier._is_kept(text, whole)
        return earlier

    def keep(self, board: Board) -> None:
        """Keeps with the board what was changed."""
        was, rest = self._kept, self._rest()
        # Nearly all are the same objects.
        others = [id for id, known in self.known.items() if was.known.get(id) is not known]
        changed = [id for id in others if was.known.get(id) != self.known[id]]
        removed = sorted(was.known.keys() - self.known.keys())
        if not (changed or removed) and rest == was.rest:
            return
        line = self._line(changed, removed, rest)
        if len(was.text) - was.whole + len(line) <= max(was.whole, _CHANGES_MIN) and was.whole > 0:
            board.append_context(_KEY, line, agent=_OWNER)
            self._is_kept(was.text + line, was.whole)
        else:
            line = self._line(self.known, [], rest)
            board.set_context(_KEY, line, agent=_OWNER)
            self._is_kept(line, len(line))

    def _learn(self, said: dict[str, Any]) -> None:
        for id, (todo, task) in said["known"].items():
            self.known[id] = Known(todo, todo if task is None else task)
        for id in said.get("removed", ()):
            self.known.pop(id, None)
        self.digest, self.gone = said["digest"], set(said["gone"])
        self.is_waiting, self.sequence = said["is_waiting"], said["sequence"]

    def _is_kept(self, text: bytes, whole: int) -> None:
        self._kept = _Kept(text, whole, dict(self.known), self._rest())

    def _rest(self) -> dict[str, Any]:
        return {
            "digest": self.digest,
            "gone": sorted(self.gone),
            "is_waiting": self.is_waiting,
            "sequence": self.sequence,
        }

    def _line(self, ids: Iterable[str], removed: list[str], rest: dict[str, Any]) -> bytes:
        known = {}
        for id in ids:
            each = self.known[id]
            known[id] = (each.todo, None if each.task == each.todo else each.task)
        return format_json({**rest, "known": known, "removed": removed}, indent=None)
