"""What was known of a Todo2 file and its board when they last agreed."""

from __future__ import annotations

import json
from dataclasses import dataclass

from taskhost.compat._todo2_meaning import Meaning
from taskhost.compat.file_ops import format_json

__all__ = ["Known", "Memory"]


@dataclass(slots=True)
class Known:
    """What a todo meant in the file, and its task on the board, when the two last agreed."""

    todo: Meaning
    task: Meaning


@dataclass(slots=True)
class Memory:
    """What was known of the file and the board when they last agreed; kept with the board."""

    digest: str
    known: dict[str, Known]
    #: What was removed from the file and can't be archived yet.
    gone: set[str]
    #: Whether something of the file is still to be done on the board.
    is_waiting: bool = False
    #: The board's last entry then; -1 where others may have written meanwhile.
    sequence: int = -1

    @classmethod
    def read(cls, text: bytes | None) -> Memory:
        if text is None:
            return cls("", {}, set())
        kept = json.loads(text)
        known = {
            id: Known(todo, todo if task is None else task)
            for id, (todo, task) in kept["known"].items()
        }
        return cls(kept["digest"], known, set(kept["gone"]), kept["is_waiting"], kept["sequence"])

    def bytes(self) -> bytes:
        known = {
            id: (each.todo, None if each.task == each.todo else each.task)
            for id, each in self.known.items()
        }
        return format_json(
            {
                "digest": self.digest,
                "known": known,
                "gone": sorted(self.gone),
                "is_waiting": self.is_waiting,
                "sequence": self.sequence,
            },
            indent=None,
        )
