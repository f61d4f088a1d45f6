"""Locks for programs that change a Todo2 project's state by themselves.

::

    with task_lock("T-123"):
        state = load_todo2_state()
        ...                                    # change the todo T-123 in it
        save_todo2_state(state)

A state is written whole, so whoever changes any of it needs all of it: :func:`task_lock` holds the state lock too, and
besides keeps agents from claiming its task. What was saved is on the board when the lock is let go, also if an
exception goes through. The project is that at ``root``, else at the environment's ``TODO2_ROOT``, else the nearest
directory upwards that has a ``.todo2``, else the current one.

The state lock is on the file ``.todo2/state.todo2.json.lock``, which is never deleted; a program that doesn't use this
package takes part with ``flock`` on it. The locks of tasks are the board's.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from taskhost.compat._todo2 import StateFile, state_file
from taskhost.compat._todo2_absorb import Todo2Conflict
from taskhost.compat.file_ops import BrokenJSON
from taskhost.errors import TaskhostError, UsageError

__all__ = [
    "Todo2Conflict",
    "load_todo2_state",
    "save_todo2_state",
    "state_file_lock",
    "task_lock",
]

_Root = str | os.PathLike[str] | None


@contextmanager
def task_lock(task_id: str, timeout: float = 5.0, *, root: _Root = None) -> Iterator[None]:
    """Locks a task: nobody assigns or claims it meanwhile, and nobody else changes the state.

    Waits at most ``timeout`` seconds, then raises :class:`taskhost.LockTimeout`, which is a ``TimeoutError``. The task
    need not be there. A thread that has a lock of the project may take others, and the same again.
    """
    with _locked([task_id], timeout, root):
        yield


@contextmanager
def state_file_lock(timeout: float = 10.0, *, root: _Root = None) -> Iterator[None]:
    """Locks the whole state, to change several todos. Otherwise like :func:`task_lock`."""
    with _locked([], timeout, root):
        yield


def load_todo2_state(*, root: _Root = None, timeout: float = 10.0) -> dict[str, Any]:
    """The state as the file and the board have it now; without a file, one without todos.

    Hold :func:`task_lock` or :func:`state_file_lock` from before this until after :func:`save_todo2_state`.
    """
    place = state_file(root)
    with place.hold([], timeout):
        place.agree(timeout)
        state = place.load()
    return {"todos": []} if state is None else state


def save_todo2_state(state: Mapping[str, Any], *, root: _Root = None) -> None:
    """Puts ``state`` in the place of what the project's file has, in one step and durably.

    Without a lock that is held since it was loaded, what others saved meanwhile would be lost, so that is refused.
    """
    place = state_file(root)
    if not place.is_locked_here:
        raise UsageError(
            f"`{place.path}` isn't locked: hold `state_file_lock()` or `task_lock()` from loading it until it is saved",
            code="not_locked",
        )
    place.save(state)


@contextmanager
def _locked(ids: list[str], timeout: float, root: _Root) -> Iterator[None]:
    place = state_file(root)

    def first() -> None:
        try:
            place.agree(timeout)
        except BrokenJSON as error:
            # Perhaps it was locked to be mended.
            warnings.warn(str(error), stacklevel=2)

    def last(raised: BaseException | None) -> None:
        _settle(place, timeout, raised)

    with place.hold(ids, timeout, first=first, last=last):
        yield


def _settle(place: StateFile, timeout: float, raised: BaseException | None) -> None:
    """Brings onto the board what was saved. If that fails, what is being raised already goes first."""
    try:
        place.agree(timeout)
    except (TaskhostError, OSError) as error:
        if raised is None:
            raise
        warnings.warn(f"what was saved isn't on the board yet: {error}", stacklevel=2)
