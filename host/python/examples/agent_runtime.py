"""An agent runtime: threads that work off a board, to be copied.

::

    python agent_runtime.py .taskhost ada 4

- Each thread is a session of its own: what this process holds comes back at once if it dies.
- ``with claim:`` extends the lease meanwhile. A :class:`Watcher` tells the work to stop once the claim is somebody else's
  or the task isn't wanted any more, as soon as that happens.
- Ctrl-C and SIGTERM stop the work, hand back what is held and end; the second one ends at once.
- :func:`persist` repeats what may get through later. Claims have request keys, and ends of claims are told by their
  token, so repeating does nothing twice, also where the outcome was unknown.
"""

from __future__ import annotations

import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, TypeVar

import taskhost

LOOK_UP = 1.0
"""How many seconds a thread waits for work before it looks whether it is to stop."""
PATIENCE = 60.0
"""For how many seconds a request is repeated that doesn't get through."""
LOST = (taskhost.Taken, taskhost.NotFound, taskhost.Invalid)
"""The task isn't this agent's any more, whatever has become of it."""

T = TypeVar("T")


class Stopped(BaseException):
    """The work was told to stop. No ``Exception``, so that ``with claim:`` hands the task back."""


def work(task: taskhost.Task, is_over: Callable[[], bool]) -> Any:
    """The work itself; this is what you replace. It looks at ``is_over`` every now and then."""
    data = task.data or {}
    steps = data.get("steps", 1)
    for _ in range(steps):
        if is_over():
            raise Stopped
        time.sleep(0.01)
    if data.get("fails"):
        raise RuntimeError("it was to fail")
    return {"steps": steps}


def worker(board: taskhost.Board, name: str, stop: threading.Event) -> None:
    """Claims and works until nothing is open on the board, or it is to stop."""
    with board.agent(name) as agent:
        for request in itertools.count():
            if stop.is_set():
                return
            key = f"{agent.session}-{request}"
            try:
                answer = persist(lambda: agent.claim_or_why(wait=LOOK_UP, key=key))
            except LOST:
                # The request had got through, and what it claimed was lost before its answer came.
                continue
            if isinstance(answer, taskhost.Claim):
                attend(answer, stop)
            elif answer.reason == "empty":
                return
            # Otherwise tasks are open, and none is ready for this agent yet.


def attend(claim: taskhost.Claim, stop: threading.Event) -> None:
    """Does one task, and says how it ended."""
    how = "is completed"
    try:
        with Watcher(claim), claim:
            result = work(claim.task, lambda: stop.is_set() or claim.lost.is_set())
            how = f"is {persist(lambda: claim.complete(result)).status}"
    except Stopped:
        how = "is handed back" if stop.is_set() else "was lost"
    except LOST as error:
        # Nothing that was done since is on the board: whoever has the task now does it again.
        how = f"was lost: {error}"
    except taskhost.TaskhostError:
        raise
    except Exception as error:
        how = f"has failed: {error}"
    print(f"{claim.agent}: `{claim.id}` {how}", flush=True)


def persist(request: Callable[[], T]) -> T:
    """Repeats a request for as long as it may get through later. Not if the task is somebody else's: that is an answer."""
    began = time.monotonic()
    while True:
        try:
            return request()
        except LOST:
            raise
        except taskhost.TaskhostError as error:
            if not error.retryable or time.monotonic() - began > PATIENCE:
                raise
            time.sleep(0.2)


class Watcher:
    """Sets ``claim.lost`` as soon as somebody else has the task, or nobody: a heartbeat would find it out later."""

    def __init__(self, claim: taskhost.Claim) -> None:
        self._claim = claim
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        board = self._claim.board
        while not self._done.is_set():
            try:
                # Before the look, so that nothing that happens after it is slept through.
                seen = board.sequence
                held = board.task(self._claim.id).claim
                if held is None or held.token != self._claim.token:
                    self._claim.lost.set()
                    return
                board.wait(LOOK_UP, past=seen)
            except taskhost.NotFound:
                self._claim.lost.set()
                return
            except taskhost.TaskhostError:
                # It may be read again soon; until then the heartbeats know.
                self._done.wait(LOOK_UP)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The end of the claim has just woken it.
        self._done.set()
        self._thread.join()


def main(path: str, name: str, threads: str) -> None:
    """Runs so many workers until they end."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    board = taskhost.Board(path)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            worker(board, f"{name}-{number}", stop)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=run, args=(n,)) for n in range(1, int(threads) + 1)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    if errors:
        raise errors[0]


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: agent_runtime.py BOARD NAME THREADS")
    main(*sys.argv[1:])
