"""Agents, and what they hold."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from taskhost import _native
from taskhost._process import PerProcess
from taskhost.errors import Taken, TaskhostError
from taskhost.task import Task, _time

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from taskhost.board import Board

__all__ = ["Agent", "Claim", "Nothing"]

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


class Agent:
    """Somebody who works on a board. Made by :meth:`taskhost.Board.agent`.

    Each has a session of its own, so two agents of one name never share a claim; a forked child gets another session.
    Closing it, as a ``with`` statement does, hands back what a living one still holds.
    """

    def __init__(self, board: Board, options: _Options) -> None:
        self.board = board
        self.name = options[0]
        self._options = options
        self._session = PerProcess(self._begin)
        self._session.get()

    def _begin(self) -> _native.Session:
        return self.board._native.session(*self._options)

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
        return Claim(self.board, self.name, Task._read(answer["task"]))

    def claims(self, *, wait: float = 0.0, **options: Any) -> Iterator[Claim]:
        """One claim after the other, until there was nothing for ``wait`` seconds; ``options`` are :meth:`claim`'s."""
        while (claim := self.claim(wait=wait, **options)) is not None:
            yield claim

    def held(self) -> list[Claim]:
        """What this session holds: also what an earlier one of the same id held, if nobody has recovered it."""
        tasks = json.loads(self._session.get().held())
        return [Claim(self.board, self.name, Task._read(wire)) for wire in tasks]

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
    """

    def __init__(self, board: Board, agent: str, task: Task) -> None:
        assert task.claim is not None
        self.board = board
        self.agent = agent
        self.task = task
        self.token = task.claim.token
        self.result: Any = None
        self.lost = threading.Event()
        self._ended = False
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
        self._ended = True
        self.task = task
        return task

    def __enter__(self) -> Claim:
        self._heart = _Heart(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._heart is not None:
            self._heart.stop()
            self._heart = None
        if self._ended:
            return
        if value is None:
            self.complete(self.result)
        elif isinstance(value, Exception):
            self._try(lambda: self.fail(f"{type(value).__name__}: {value}"[:4096]))
        else:
            self._try(lambda: self.release("its agent was interrupted"))

    @staticmethod
    def _try(end: Any) -> None:
        try:
            end()
        except TaskhostError:
            # What is being raised already is what matters; if the claim was lost, there is nothing to end.
            pass

    def __repr__(self) -> str:
        return f"<Claim of {self.id!r} by {self.agent!r}, token {self.token}>"


class _Heart:
    """Extends a claim's lease three times in its length, in a thread of its own."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._stop = threading.Event()
        held = claim.task.claim
        assert held is not None
        length = (held.lease_until - held.since).total_seconds()
        self._every = max(length / 3, 0.05)
        self._thread = threading.Thread(
            target=self._beat, name=f"taskhost-heartbeat-{claim.id}", daemon=True
        )
        self._thread.start()

    def _beat(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._claim.heartbeat()
            except Taken:
                self._claim.lost.set()
                return
            except TaskhostError:
                # The board's lock was busy, or the disk: the next one may get through.
                continue

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()


def _list(one_or_more: str | Iterable[str]) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else list(one_or_more)
