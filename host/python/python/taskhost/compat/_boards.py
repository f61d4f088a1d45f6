"""The board that stands behind a file of another system."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from weakref import WeakValueDictionary

from taskhost.board import Board

__all__ = ["board_beside", "bring_along"]

# Under whose name it is kept which file was imported.
_IMPORTER = "taskhost-import"

#: How many boards that nobody has any more stay open: each has some ten files, of which a process may often have 1,024.
_IDLE_MAX = 8

_Identity = tuple[int, int, int]
#: By where it is, which of those that were there, and the timeout.
_Key = tuple[Path, _Identity | None, float]
_open: WeakValueDictionary[_Key, Board] = WeakValueDictionary()
#: Those that were used last, the latest at the end.
_recent: OrderedDict[_Key, Board] = OrderedDict()
_lock = threading.Lock()


def _after_fork() -> None:
    # A thread that isn't here any more may have held it.
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def board_beside(path: Path, *, timeout: float, settings: Mapping[str, str]) -> Board:
    """The board beside the file or directory at ``path``, named after it: ``work.json.taskhost`` for ``work.json``.

    It is made, unfenced and with these settings of the standard policy, if it isn't there. All that a process opens for
    one path is one board, while somebody has it; so is what is reached through a link. Where another one was put in its
    place, that one is opened.
    """
    place = Path(os.path.realpath(path))
    place = place.with_name(place.name + ".taskhost")
    with _lock:
        key = (place, _identity(place), timeout)
        board = _open.get(key)
        if board is None:
            place.parent.mkdir(parents=True, exist_ok=True)
            board = Board.init(
                place, timeout=timeout, unfenced=True, settings=settings, exist_ok=True
            )
            key = (place, _identity(place), timeout)
            _open[key] = board
        _recent[key] = board
        _recent.move_to_end(key)
        idle = None if len(_recent) <= _IDLE_MAX else _recent.popitem(last=False)
    # What is closed with it may take a moment, and others need not wait for that.
    del idle
    return board


def _identity(place: Path) -> _Identity | None:
    """Which board it is that stands there: its lock file is made with it, and is never replaced or written."""
    try:
        stat = (place / "board.lock").stat()
    except FileNotFoundError:
        return None
    return (stat.st_dev, stat.st_ino, stat.st_ctime_ns)


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
