"""Handles of which each process has its own, also where it was forked from one that had one."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Makes a handle when it is first asked for, and another one in each forked child.

    What the parent had is not taken down in the child: it may take threads to do so, which a fork doesn't copy.

    ``make`` must not refer to what has the handle: in a circle nothing is closed before Python collects its garbage,
    and descriptors may run out by then.
    """

    def __init__(self, make: Callable[[], T], made: T | None = None) -> None:
        self._make = make
        self._made = made
        self._lock = threading.Lock()
        _known.add(self)

    def get(self) -> T:
        made = self._made
        if made is None:
            with self._lock:
                made = self._made
                if made is None:
                    made = self._made = self._make()
        return made

    def peek(self) -> T | None:
        """The handle, if it was made."""
        return self._made

    def _begin_anew(self) -> None:
        # A thread that isn't here any more may have held the lock.
        self._lock = threading.Lock()
        self._made = None


_known: weakref.WeakSet[PerProcess[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for handle in list(_known):
        handle._begin_anew()


os.register_at_fork(after_in_child=_after_fork)
