"""The board that stands behind a file of another system."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from taskhost.board import Board

__all__ = ["board_beside", "bring_along"]

# Under whose name it is kept which file was imported.
_IMPORTER = "taskhost-import"

_open: dict[tuple[Path, float], Board] = {}
_lock = threading.Lock()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def board_beside(path: Path, *, timeout: float, settings: Mapping[str, str]) -> Board:
    """The board beside the file or directory at ``path``, named after it: ``work.json.taskhost`` for ``work.json``.

    It is made, unfenced and with these settings of the standard policy, if it isn't there. All that a process opens for
    one path is one board; so is what is reached through a link.
    """
    place = Path(os.path.realpath(path))
    place = place.with_name(place.name + ".taskhost")
    with _lock:
        board = _open.get((place, timeout))
        if board is None or not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            board = Board.init(
                place, timeout=timeout, unfenced=True, settings=settings, exist_ok=True
            )
            _open[(place, timeout)] = board
        return board


def bring_along(board: Board, path: Path, format: str, *, lease: float | None = None) -> None:
    """Imports the file at ``path``, if it is there and isn't as it was when it was last imported.

    Tasks that the board has already stay as they are on the board. What could not be mapped is warned of.
    """
    if not path.exists():
        return
    found = json.dumps(_signature(path)).encode()
    # Not in the metadata, which is the workflow's own and goes into its file again.
    if board.context(format, agent=_IMPORTER) == found:
        return
    report = board.import_file(path, format=format, lease=lease)
    board.set_context(format, found, agent=_IMPORTER)
    report.warn()


def _signature(path: Path) -> list[list[object]]:
    """What tells that a file was changed."""
    signature: list[list[object]] = []
    # What was written to a database last stands in its log, which goes when the last program closes it.
    for file in (path, path.with_name(path.name + "-wal")):
        try:
            stat = file.stat()
        except FileNotFoundError:
            continue
        signature.append([file.name, stat.st_ino, stat.st_size, stat.st_mtime_ns])
    return signature
