"""The agent runtime that embedders are shown: beside one that is killed, with a task that is cancelled, when it is stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import taskhost

RUNTIME = Path(__file__).parent.parent / "examples" / "agent_runtime.py"


def start(board: taskhost.Board, name: str) -> subprocess.Popen[str]:
    command: list[str | Path] = [sys.executable, RUNTIME, board.path, name, "3"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def until(is_so: Callable[[], bool]) -> None:
    """Waits until the board is as it is to be."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def holds(board: taskhost.Board, name: str, id: str) -> bool:
    claim = board.task(id).claim
    return claim is not None and claim.agent.startswith(name)


def test_every_task_is_completed_once_although_one_is_killed(board: taskhost.Board) -> None:
    board.add_all({"type": "t", "id": f"t{n}", "data": {"steps": 3}} for n in range(40))
    board.add("t", id="long", priority=9, data={"steps": 100})
    killed = start(board, "doomed")
    until(lambda: holds(board, "doomed", "long"))
    other = start(board, "other")
    killed.kill()
    killed.communicate()
    ended(other)
    assert board.counts().by_status["completed"] == 41
    completed = [event.task for event in board.history(event="completed", limit=None)]
    assert len(completed) == 41 and len(set(completed)) == 41
    long = board.task("long")
    assert (long.attempts, long.result) == (2, {"steps": 100})


def test_what_is_cancelled_stops_and_failures_are_told(board: taskhost.Board) -> None:
    board.add("t", id="endless", data={"steps": 100_000})
    working = start(board, "ada")
    until(lambda: holds(board, "ada", "endless"))
    board.add("t", id="bad", data={"fails": True})
    board.cancel("endless", reason="not wanted").check()
    said = ended(working)
    assert "`endless` was lost" in said
    assert board.task("endless").status == "cancelled"
    assert (board.task("bad").status, board.task("bad").error) == (
        "failed",
        "RuntimeError: it was to fail",
    )


def test_what_is_held_is_handed_back_on_sigterm(board: taskhost.Board) -> None:
    board.add("t", id="endless", data={"steps": 100_000})
    working = start(board, "ada")
    until(lambda: holds(board, "ada", "endless"))
    working.send_signal(signal.SIGTERM)
    assert "`endless` is handed back" in ended(working)
    task = board.task("endless")
    assert (task.status, task.claim) == ("pending", None)
    assert len(board.history(event="released")) >= 1
