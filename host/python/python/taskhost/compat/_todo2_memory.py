"""What was known of a Todo2 file and its board when they last agreed.

It is kept with the board, in two values: all of it, and lines of what each agreement since has changed. So an
assignment writes what it changed, and not thousands of todos; once the changes are longer than the rest, all of it is
written anew. All of this is done under the state lock.

Before the file is replaced, what will be known then is announced, as a line of its own. It counts if the file is the
announced one, so whoever comes after a crash knows whether it was replaced.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from taskhost.board import Board
from taskhost.compat._todo2_meaning import Meaning
from taskhost.compat.file_ops import format_json

__all__ = ["Known", "Memory"]

_ALL = "known"
_CHANGES = "known-changes"
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
    """What stands with the board."""

    all: bytes = b""
    #: Which changes are of it: those that name it.
    id: str = ""
    changes: bytes = b""
    #: What they say.
    known: dict[str, Known] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    #: Whether the last change was announced, and came to nothing: it is not in ``known`` and ``rest``.
    is_torn: bool = False


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
    def recall(cls, board: Board, digest: str, earlier: Memory | None = None) -> Memory:
        """What the board keeps, for a file of this digest.

        Of what ``earlier`` was kept with, only what came since is read. It is given away, and must not have been
        changed since.
        """
        all = board.context(_ALL, agent=_OWNER) or b""
        changes = board.context(_CHANGES, agent=_OWNER) or b""
        memory = earlier
        if memory is None or not memory._is_earlier(all, changes):
            memory = cls()
            if all:
                said = json.loads(all)
                memory._learn(said)
                memory._kept = _Kept(all, said.get("id", ""))
        memory._follow(changes, digest)
        return memory

    def announce(self, board: Board, digest: str) -> None:
        """Says what will be known when the file of this digest stands."""
        self.digest, self.sequence = digest, -1
        rest = self._rest(is_announced=True)
        line = self._line(rest, *self._differences())
        kept = self._kept
        if kept.is_torn or (kept.changes and self._is_too_long(line)):
            self._write_all(board, kept.known, kept.rest)
        self._append(board, line, rest)

    def keep(self, board: Board) -> None:
        """Keeps what was changed since it was recalled; what was announced has happened."""
        rest = self._rest()
        changed, removed = self._differences()
        if not (changed or removed or self._kept.is_torn) and rest == self._kept.rest:
            return
        line = self._line(rest, changed, removed)
        if self._kept.is_torn or self._is_too_long(line):
            self._write_all(board, self.known, rest)
        else:
            self._append(board, line, rest)

    # Reading

    def _is_earlier(self, all: bytes, changes: bytes) -> bool:
        kept = self._kept
        return not kept.is_torn and kept.all == all and changes.startswith(kept.changes)

    def _follow(self, changes: bytes, digest: str) -> None:
        """Learns the changes that it doesn't know yet."""
        kept = self._kept
        lines = changes[len(kept.changes) :].splitlines()
        if lines and not kept.changes and json.loads(lines.pop(0))["of"] != kept.id:
            # They are of what was kept before all of it was written anew.
            changes, lines = b"", []
        learned = [json.loads(line) for line in lines]
        is_announced = bool(learned) and learned[-1]["is_announced"]
        is_torn = is_announced and learned[-1]["digest"] != digest
        if is_torn:
            learned.pop()
        for said in learned:
            self._learn(said)
        rest = self._rest(is_announced=is_announced and not is_torn)
        self._kept = _Kept(kept.all, kept.id, changes, dict(self.known), rest, is_torn)

    def _learn(self, said: Mapping[str, Any]) -> None:
        for id, (todo, task) in said["known"].items():
            self.known[id] = Known(todo, todo if task is None else task)
        for id in said.get("removed", ()):
            self.known.pop(id, None)
        self.digest, self.gone = said["digest"], set(said["gone"])
        self.is_waiting, self.sequence = said["is_waiting"], said["sequence"]

    # Writing

    def _differences(self) -> tuple[dict[str, Known], list[str]]:
        was = self._kept.known
        # Nearly all are the same objects.
        others = {id: known for id, known in self.known.items() if was.get(id) is not known}
        changed = {id: known for id, known in others.items() if was.get(id) != known}
        return changed, sorted(was.keys() - self.known.keys())

    def _is_too_long(self, line: bytes) -> bool:
        kept = self._kept
        return len(kept.changes) + len(line) > max(len(kept.all), _CHANGES_MIN)

    def _append(self, board: Board, line: bytes, rest: dict[str, Any]) -> None:
        kept = self._kept
        if kept.changes:
            board.append_context(_CHANGES, line, agent=_OWNER)
            changes = kept.changes + line
        else:
            changes = format_json({"of": kept.id}, indent=None) + line
            board.set_context(_CHANGES, changes, agent=_OWNER)
        self._kept = _Kept(kept.all, kept.id, changes, dict(self.known), rest)

    def _write_all(self, board: Board, known: Mapping[str, Known], rest: dict[str, Any]) -> None:
        id = secrets.token_hex(8)
        all = self._line({"id": id, **rest}, known, [])
        board.set_context(_ALL, all, agent=_OWNER)
        self._kept = _Kept(all, id, b"", dict(known), rest)

    def _rest(self, *, is_announced: bool = False) -> dict[str, Any]:
        return {
            "digest": self.digest,
            "gone": sorted(self.gone),
            "is_waiting": self.is_waiting,
            "sequence": self.sequence,
            "is_announced": is_announced,
        }

    def _line(
        self, rest: Mapping[str, Any], known: Mapping[str, Known], removed: list[str]
    ) -> bytes:
        pairs = {
            id: (each.todo, None if each.task == each.todo else each.task)
            for id, each in known.items()
        }
        return format_json({**rest, "known": pairs, "removed": removed}, indent=None)
