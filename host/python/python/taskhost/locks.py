"""Locks: of a task or a whole board, taken by hand, and of any file.

All of them are ``flock`` locks on files that are never deleted, so other programs, in any language, can take part. The
kernel lets go of them when the process that holds them dies; a forked child has no part in them.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol

from taskhost import _native
from taskhost._process import PerProcess

__all__ = ["FileLock", "HeldLock"]


class _Held(Protocol):
    def release(self) -> None: ...


class HeldLock:
    """A lock that is held: use it in a ``with`` statement, or call :meth:`release`."""

    def __init__(self, held: _Held) -> None:
        self._held = held

    def release(self) -> None:
        """Lets it go. Twice is once."""
        self._held.release()

    def __enter__(self) -> HeldLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class FileLock:
    """A lock on any file, made if it isn't there and never removed.

    ::

        with FileLock("report.json.lock").acquire(timeout=5):
            …

    Whoever waits hears Ctrl-C within half a second. File systems whose locks can't be relied on, such as
    NFS, are refused unless ``allow_unsafe_file_system``.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, allow_unsafe_file_system: bool = False
    ) -> None:
        self.path = Path(path)
        # The same file wherever the current directory is by then. It doesn't refer to this object, whose descriptor so
        # is closed as soon as nobody has it any more.
        place = self.path.absolute()
        self._handle = PerProcess(partial(_native.LockFile, place, allow_unsafe_file_system))

    def acquire(self, timeout: float = 5.0) -> HeldLock:
        """Waits for the lock, at most ``timeout`` seconds; raises :class:`taskhost.LockTimeout` then."""
        return HeldLock(self._handle.get().lock(timeout))

    def __repr__(self) -> str:
        return f"FileLock({str(self.path)!r})"

