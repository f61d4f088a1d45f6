"""Agents, and what they hold."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from taskhost import _native
from taskhost._process import PerProcess
from taskhost.errors import Invalid, NotFound, Taken, TaskhostError
from taskhost.task import Task, _time

if TYPE_CHECKING:
    from types import TracebackType

    from taskhost.board import Board

__all__ = ["Agent", "Claim", "Nothing"]

_log = logging.getLogger("taskhost")

_Options = tuple[str, str, str | None, list[str], str | None, bool, int | None]


class Nothing:
    """There was nothing to claim, and why: ``empty`` (nothing is open), ``waiting`` (nothing is ready) or ``no_match``.

    It is false in conditions, as ``None`` is.
    """

    def __init__(self, reason: str, detail: str | None, next_ready_at: datetime | None) -> None:
        self.reason = reason
        self.detail = detail
        self.next_ready_at = next_ready_at

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"Nothing({self.reason!r}, next_ready_at={self.next_ready_at!r})"


def _begin(board: Board, options: _Options) -> _native.Session:
    return board._native.session(*options)


class Agent:
    """Somebody who works on a board. Made by :meth:`taskhost.Board.agent`.

    Each has a session of its own, so two agents of one name never share a claim; a forked child gets another session.
    Closing it, as a ``with`` statement does, hands back what a living one still holds; so it is when the program keeps
    neither the agent nor any of its claims.
    """

    def __init__(self, board: Board, options: _Options) -> None:
        self.board = board
        self.name = options[0]
        # It doesn't refer to this object, which so ends as soon as nobody has it any more.
        self._session = PerProcess(partial(_begin, board, options))
        self._session.get()

    @property
    def session(self) -> str:
        """The session's id."""
        return self._session.get().id()

    def claim(
        self,
        id: str | None = None,
        *,
        types: str | Iterable[str] = (),
        labels: str | Iterable[str] = (),
        lease: float | None = None,
        wait: float = 0.0,
        key: str | None = None,
    ) -> Claim | None:
        """Claims the next task for this agent, or the one that is named; ``None`` if there is nothing for it.

        Waits for one at most ``wait`` seconds. The claim holds for ``lease`` seconds without a heartbeat, 30 minutes
        unless the board's policy says otherwise. Repeated with the same ``key``, it gives the same claim. A named
        task that somebody else has raises :class:`taskhost.Taken`.
        """
        claimed = self.claim_or_why(
            id, types=types, labels=labels, lease=lease, wait=wait, key=key
        )
        return claimed if isinstance(claimed, Claim) else None

    def claim_or_why(
        self,
        id: str | None = None,
        *,
        types: str | Iterable[str] = (),
        labels: str | Iterable[str] = (),
        lease: float | None = None,
        wait: float = 0.0,
        key: str | None = None,
    ) -> Claim | Nothing:
        """The same, but says why there is nothing, and until when."""
        answer = json.loads(
            self._session.get().claim(id, _list(types), _list(labels), lease, wait, key)
        )
        if answer["task"] is None:
            return Nothing(answer["reason"], answer["detail"], _time(answer["next_ready_at"]))
        return Claim(self, Task._read(answer["task"]))

    def claims(self, *, wait: float = 0.0, **options: Any) -> Iterator[Claim]:
        """One claim after the other, until there was nothing for ``wait`` seconds; ``options`` are :meth:`claim`'s."""
        while (claim := self.claim(wait=wait, **options)) is not None:
            yield claim

    def held(self) -> list[Claim]:
        """What this session holds: also what an earlier one of the same id held, if nobody has recovered it."""
        tasks = json.loads(self._session.get().held())
        return [Claim(self, Task._read(wire)) for wire in tasks]

    def close(self) -> None:
        """Ends the session; a living one's tasks come back at once. Twice is once."""
        session = self._session.peek()
        if session is not None:
            session.close()

    def __enter__(self) -> Agent:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Agent {self.name!r} on {self.board!r}>"


class Claim:
    """A task that is this program's to do.

    ::

        with claim:                      # heartbeats go on in the background
            result = work(claim.task.data)
            claim.result = result        # kept with the task when it is completed

    At the end of the ``with`` statement the task is completed; if it was left by an exception, it has failed with its
    text, or, for ``KeyboardInterrupt`` and the like, is handed back. What was ended inside by :meth:`complete`,
    :meth:`fail` or :meth:`release` stays as it is. If the claim was lost meanwhile, because a lease ran out or an
    operator took it, :attr:`lost` is set, and the end raises :class:`taskhost.Taken`: nothing of it is on the board.
    A child that is forked inside ends nothing when it leaves the ``with`` statement too: that is for its parent to do.
    """

    def __init__(self, holder: Agent, task: Task) -> None:
        assert task.claim is not None
        # Kept, so that it lives for as long as its claim is of use.
        self._holder = holder
        self.board = holder.board
        self.agent = holder.name
        self.task = task
        self.token = task.claim.token
        self.result: Any = None
        self.lost = threading.Event()
        self._ended = False
        self._entered_in: int | None = None
        self._heart: _Heart | None = None

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.id

    def complete(self, result: Any = None) -> Task:
        """The task is done. It may be in review instead, if the policy says so."""
        return self._end(
            self.board.complete(self.id, self.agent, token=self.token, result=result)
        )

    def fail(self, error: str | None = None) -> Task:
        """The attempt failed. The task may be pending again, if the policy says so."""
        return self._end(self.board.fail(self.id, self.agent, token=self.token, error=error))

    def release(self, reason: str | None = None) -> Task:
        """Hands the task back, and its attempt with it."""
        return self._end(
            self.board.release(self.id, self.agent, token=self.token, reason=reason)
        )

    def block(self, question: str) -> Task:
        """Parks the task with a question; somebody answers with :meth:`taskhost.Board.unblock`."""
        changed = self.board.block(
            self.id, reason=question, agent=self.agent, token=self.token
        ).check()
        return self._end(changed.touched[0])

    def heartbeat(self, lease: float | None = None) -> None:
        """Extends the lease, to ``lease`` seconds from now or by its own length."""
        self.board.heartbeat(self.id, self.agent, token=self.token, lease=lease)

    def _end(self, task: Task) -> Task:
        self._stop_heart()
        # A heartbeat that came between may have found no claim, and taken it for lost.
        self.lost.clear()
        self._ended = True
        self.task = task
        return task

    def _stop_heart(self) -> None:
        heart, self._heart = self._heart, None
        if heart is not None:
            heart.stop()

    def __enter__(self) -> Claim:
        self._entered_in = os.getpid()
        self._heart = _Heart(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._entered_in != os.getpid():
            return
        self._stop_heart()
        if self._ended:
            return
        if value is None:
            self.complete(self.result)
        elif isinstance(value, Exception):
            self._try(partial(self.fail, _told(value)))
        else:
            self._try(partial(self.release, "its agent was interrupted"))

    def _try(self, end: Callable[[], Task]) -> None:
        """Ends the claim while something is being raised, which is what matters."""
        try:
            end()
        except (Taken, Invalid, NotFound):
            # It was lost: there is nothing to end.
            pass
        except TaskhostError as error:
            _log.warning("%r stays until its lease or its agent ends: %s", self, error)

    def __repr__(self) -> str:
        return f"<Claim of {self.id!r} by {self.agent!r}, token {self.token}>"


class _Heart:
    """Extends a claim's lease three times in its length, in a thread of its own."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._beat, name=f"taskhost-heartbeat-{claim.id}", daemon=True
        )
        self._thread.start()

    def _beat(self) -> None:
        claim, task = self._claim, self._claim.task
        while not self._stop.wait(_third_of_what_is_left(task)):
            try:
                task = claim.board.heartbeat(claim.id, claim.agent, token=claim.token)
            except (Taken, Invalid, NotFound):
                claim.lost.set()
                return
            except TaskhostError as error:
                # The board's lock was busy, or the disk: the next one may get through.
                _log.info("a heartbeat of %r failed: %s", claim, error)

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()


def _third_of_what_is_left(task: Task) -> float:
    """In how many seconds a heartbeat is due: of a lease that was extended before, its length says nothing."""
    assert task.claim is not None
    left = task.claim.lease_until - datetime.now(timezone.utc)
    return max(left.total_seconds() / 3, 0.05)


def _told(error: Exception) -> str:
    """An exception as a task's error. Names of files, for instance, may have in them what is no text."""
    text = f"{type(error).__name__}: {error}"[:4096]
    return text.encode(errors="backslashreplace").decode()


def _list(one_or_more: str | Iterable[str]) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else list(one_or_more)
