"""Locks beside files, and JSON files that are read and written safely by many at once.

::

    with FileLock("boards/working_tasks.json"):
        tasks = safe_json_read("boards/working_tasks.json", default=[])
        tasks.append({"id": "t-1"})
        safe_json_write("boards/working_tasks.json", tasks)

- :class:`FileLock`: one holder of a file at a time; :class:`TaskLock`: one holder of one task of a board file.
- :func:`safe_json_read`, :func:`safe_json_write`: a file is read whole or not at all, and replaced in one step.
- :func:`lock_statistics`: how long this process waited for which lock, and how long it held it.

Locks are ``flock`` locks of the kernel, on one machine. Locks across machines come with boards in PostgreSQL.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

from taskhost.compat._durable import replace_file
from taskhost.errors import LockTimeout, TaskhostError
from taskhost.locks import FileLock as _KernelLock
from taskhost.locks import HeldLock

__all__ = [
    "BrokenJSON",
    "FileLock",
    "LockStatistics",
    "TaskLock",
    "lock_statistics",
    "safe_json_read",
    "safe_json_write",
]

_PathLike = str | os.PathLike[str]
_Lock = TypeVar("_Lock", bound="_ReentrantLock")


@dataclass(frozen=True, slots=True)
class LockStatistics:
    """What this process saw of one lock. Taking it again while the same thread holds it isn't counted."""

    acquisitions: int = 0
    #: How often somebody else had it when it was asked for.
    contended: int = 0
    timeouts: int = 0
    wait_seconds_total: float = 0.0
    wait_seconds_max: float = 0.0
    hold_seconds_total: float = 0.0


class _Figures:
    """The statistics of every lock of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, LockStatistics] = {}

    def waited(self, path: str, seconds: float, *, contended: bool, got_it: bool) -> None:
        with self._lock:
            was = self._of.get(path, LockStatistics())
            self._of[path] = replace(
                was,
                acquisitions=was.acquisitions + got_it,
                contended=was.contended + contended,
                timeouts=was.timeouts + (not got_it),
                wait_seconds_total=was.wait_seconds_total + seconds,
                wait_seconds_max=max(was.wait_seconds_max, seconds),
            )

    def held(self, path: str, seconds: float) -> None:
        with self._lock:
            # They may have been reset meanwhile.
            was = self._of.get(path, LockStatistics())
            total = was.hold_seconds_total + seconds
            self._of[path] = replace(was, hold_seconds_total=total)

    def read(self, *, reset: bool) -> dict[str, LockStatistics]:
        with self._lock:
            found = dict(self._of)
            if reset:
                self._of.clear()
            return found


@dataclass(slots=True)
class _Holding:
    """A lock that a thread has, and how many times it took it."""

    lock: HeldLock
    since: float
    depth: int = 1


class _Holdings(threading.local):
    """What the current thread holds, by the lock file's path."""

    def __init__(self) -> None:
        self.by_path: dict[str, _Holding] = {}


_figures = _Figures()
_holdings = _Holdings()


def _after_fork() -> None:
    # The child holds nothing of what its parent holds, and counts for itself.
    global _figures, _holdings
    _figures = _Figures()
    _holdings = _Holdings()


os.register_at_fork(after_in_child=_after_fork)


def lock_statistics(*, reset: bool = False) -> dict[str, LockStatistics]:
    """The statistics of each lock that this process asked for, by the path of its lock file.

    With ``reset`` they begin anew, for programs that report them from time to time.
    """
    return _figures.read(reset=reset)


class _ReentrantLock:
    """A lock file that one thread of all processes has at a time, as many times as it likes."""

    def __init__(self, lock_path: Path, timeout: float, retry_interval: float) -> None:
        # The same file wherever the current directory is by then.
        self._key = os.path.realpath(lock_path)
        self.lock_path = Path(self._key)
        self.timeout = _checked(timeout)
        self.retry_interval = retry_interval

    def acquire(self, timeout: float | None = None) -> bool:
        """Waits for the lock; raises :class:`taskhost.LockTimeout` if somebody else has it all the while.

        A thread that has it already takes it once more, and releases it once more.
        """
        seconds = self.timeout if timeout is None else _checked(timeout)
        mine = _holdings.by_path.get(self._key)
        if mine is not None:
            mine.depth += 1
            return True
        self.lock_path.parent.mkdir(parents=True, exist_ok=True)
        held = self._wait(seconds)
        _holdings.by_path[self._key] = _Holding(held, time.monotonic())
        return True

    def _wait(self, timeout: float) -> HeldLock:
        lock = _kernel_lock(self._key)
        began = time.monotonic()
        contended = False
        try:
            try:
                held = lock.acquire(0)
            except LockTimeout:
                contended = True
                held = lock.acquire(timeout)
        except LockTimeout:
            waited = time.monotonic() - began
            _figures.waited(self._key, waited, contended=True, got_it=False)
            raise
        waited = time.monotonic() - began
        _figures.waited(self._key, waited, contended=contended, got_it=True)
        return held

    def release(self) -> None:
        """Lets it go. What this thread doesn't hold is left alone, so it may stand in a ``finally``."""
        mine = _holdings.by_path.get(self._key)
        if mine is None:
            return
        mine.depth -= 1
        if mine.depth == 0:
            del _holdings.by_path[self._key]
            mine.lock.release()
            _figures.held(self._key, time.monotonic() - mine.since)

    @property
    def is_held(self) -> bool:
        """Whether the current thread has it."""
        return self._key in _holdings.by_path

    @property
    def statistics(self) -> LockStatistics:
        """What this process saw of this lock, through any object for it."""
        return _figures.read(reset=False).get(self._key, LockStatistics())

    def __enter__(self: _Lock) -> _Lock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


@lru_cache(maxsize=64)
def _kernel_lock(path: str) -> _KernelLock:
    """The kernel's lock of a file, one for all who use it here.

    Whoever gives up waiting leaves a thread that still waits, and the next one to wait through the same object uses it.
    """
    return _KernelLock(path)


def _checked(timeout: float) -> float:
    if not timeout >= 0:
        raise ValueError(f"a timeout of {timeout} seconds: give 0, to try once, or more")
    return timeout


class FileLock(_ReentrantLock):
    """The lock of the file at ``path``: a file beside it, named ``path + ".lock"``. A link has that of what it points at.

    It is made if it isn't there, with its directories, and never deleted: if it were, one who waits for the old lock
    file and one who makes a new one would both get in. It excludes other threads as well as other processes; the thread
    that has it may take it again, also through another ``FileLock`` of the same path.

    ``timeout`` is in seconds. ``retry_interval`` is accepted and not needed, because the kernel wakes who waits. A
    holder that dies lets go of it at once.
    """

    def __init__(
        self, path: _PathLike, timeout: float = 10.0, retry_interval: float = 0.1
    ) -> None:
        self.path = Path(path)
        # The file is one, and so is its lock, by whatever name it is reached.
        super().__init__(Path(os.path.realpath(path) + ".lock"), timeout, retry_interval)

    def __repr__(self) -> str:
        return f"FileLock({str(self.path)!r}, timeout={self.timeout!r})"


class TaskLock(_ReentrantLock):
    """The lock of one task of the board file at ``board_path``, for work on it that takes long.

    ::

        with TaskLock("boards/working_tasks.json", "t-1"):
            result = work()                                  # others work on other tasks meanwhile
            with FileLock("boards/working_tasks.json"):      # only to change the file
                ...

    It excludes others who take the ``TaskLock`` of the same task of the same file, and nobody else: who changes the
    file needs its :class:`FileLock`, because the file is written whole. Take the ``FileLock`` inside, never around it.
    Its lock file is in the directory ``board_path + ".locks"``, and is never deleted.
    """

    def __init__(
        self,
        board_path: _PathLike,
        task_id: str,
        timeout: float = 10.0,
        retry_interval: float = 0.1,
    ) -> None:
        self.board_path = Path(board_path)
        self.task_id = task_id
        # The quoted name is one name in a directory, whatever the id has in it.
        name = quote(task_id, safe=" ") + ".lock"
        if len(name) > 255:
            raise ValueError(f"the task's id has {len(task_id)} letters: use a shorter one")
        directory = Path(os.path.realpath(board_path) + ".locks")
        super().__init__(directory / name, timeout, retry_interval)

    def __repr__(self) -> str:
        return f"TaskLock({str(self.board_path)!r}, {self.task_id!r}, timeout={self.timeout!r})"


class BrokenJSON(TaskhostError, ValueError):
    """A file isn't JSON, or isn't the JSON that was expected. It was left as it is."""

    code = "broken_json"

    @property
    def path(self) -> str:
        """The file."""
        return str(self.details["path"])

    @property
    def line(self) -> int | None:
        """The line where it breaks off or goes wrong, from 1; ``None`` if it is JSON, but refused by ``validate``."""
        line: int | None = self.details.get("line")
        return line

    @property
    def column(self) -> int | None:
        """The column in that line, from 1."""
        column: int | None = self.details.get("column")
        return column


def safe_json_read(
    path: _PathLike,
    default: Any = ...,
    retries: int = 3,
    retry_delay: float = 0.05,
    validate: Callable[[Any], object] | None = None,
) -> Any:
    """What the JSON file at ``path`` has.

    If it isn't there, gives ``default``, or raises ``FileNotFoundError`` without one. A file that is there is never
    taken for a missing one: if it isn't JSON, or ``validate`` answers ``False`` or raises ``ValueError``, it is read
    again ``retries`` times, ``retry_delay`` seconds apart, since a program that writes in place may be at it; then
    :class:`BrokenJSON` says where it goes wrong.
    """
    for left in range(retries, -1, -1):
        try:
            return _read_once(Path(path), validate)
        except FileNotFoundError:
            if default is ...:
                raise
            return default
        except BrokenJSON:
            if left == 0:
                raise
            time.sleep(retry_delay)
    raise ValueError(f"{retries} retries: give 0, to read once, or more")


def _read_once(path: Path, validate: Callable[[Any], object] | None) -> Any:
    value = parse_json(path, path.read_bytes())
    if validate is None:
        return value
    try:
        why = "its validation says no" if validate(value) is False else None
    except ValueError as error:
        why = str(error)
    if why is not None:
        raise BrokenJSON(
            f"`{path}` isn't what is expected: {why}: mend it, or restore it from a copy",
            details={"path": str(path)},
        )
    return value


def parse_json(path: Path, text: bytes) -> Any:
    """What ``text``, which was read from ``path``, says; raises :class:`BrokenJSON`."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line, column, why = error.lineno, error.colno, error.msg
    except UnicodeDecodeError as error:
        before = text[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        why = f"it isn't {error.encoding} text"
    raise BrokenJSON(
        f"`{path}` is broken at line {line}, column {column}: {why}: mend it, or restore it from a copy",
        details={"path": str(path), "line": line, "column": column},
    )


def format_json(data: Any, indent: int | None = 2, **options: Any) -> bytes:
    """The bytes of a JSON file; raises ``ValueError`` for what no JSON can say, such as NaN."""
    options = {"ensure_ascii": False, **options, "indent": indent, "allow_nan": False}
    try:
        return (json.dumps(data, **options) + "\n").encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair, as in a text that was cut, can be written in JSON, but only as an escape.
        return (json.dumps(data, **{**options, "ensure_ascii": True}) + "\n").encode()


def safe_json_write(path: _PathLike, data: Any, indent: int | None = 2, **options: Any) -> None:
    """Puts ``data`` in the place of what the file at ``path`` had, in one step, and on the disk when this returns.

    Directories are made as needed. The file keeps its permissions, and its owner where this process may give it; a
    symbolic link stays, and what it points at is replaced. ``options`` are those of :func:`json.dumps`. NaN and
    infinities, which JSON doesn't have, raise ``ValueError``. If anything fails the file is as it was, and nothing is
    left beside it; only if the very last step fails it is the new one already, which
    :class:`taskhost.OutcomeUnknown` says.

    Whoever reads, changes and writes holds the :class:`FileLock` from before the reading until after the writing.
    """
    replace_file(Path(path), format_json(data, indent, **options))
