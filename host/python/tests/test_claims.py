"""Claims while they are worked on: their heartbeats, how they end, and what becomes of them in other processes."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import taskhost


def _claim(board: taskhost.Board, id: str, *, lease: float | None = None) -> taskhost.Claim:
    board.add("t", id=id)
    claim = board.agent("ada").claim(id, lease=lease)
    assert claim is not None
    return claim


# A program that went on with what it held, after hours of heartbeats, sent the next one after a third of those hours:
# its task had long been given to somebody else.
def test_heartbeats_of_a_claim_that_was_extended_often_come_in_time(board: taskhost.Board) -> None:
    claim = _claim(board, "t", lease=1.5)
    held = claim.task.claim
    assert held is not None
    long_ago = replace(held, since=held.since - timedelta(hours=10))
    claim.task = replace(claim.task, claim=long_ago)
    deadline = time.monotonic() + 10
    with claim:
        while (now := board.task("t").claim) is not None and now.lease_until == held.lease_until:
            assert time.monotonic() < deadline
            board.wait(0.1)


# The heartbeats of a task that an operator had taken off the board failed in silence, and whoever worked on it wasn't
# told.
def test_who_works_on_a_task_that_was_archived_is_told(board: taskhost.Board) -> None:
    with pytest.raises(taskhost.NotFound), _claim(board, "t", lease=0.3) as claim:
        board.cancel("t").check()
        board.archive("t").check()
        assert claim.lost.wait(10)


# After `claim.complete()`, heartbeats went on until the end of the `with` statement, for nothing.
def test_heartbeats_stop_when_the_claim_is_ended(board: taskhost.Board) -> None:
    with _claim(board, "t", lease=0.3) as claim:
        claim.complete()
        assert not [t for t in threading.enumerate() if t.name == "taskhost-heartbeat-t"]
        assert not claim.lost.is_set()


# A program forked inside a `with` statement, and its child left it by `sys.exit`: the task on which the parent was
# working was handed back, and somebody else got it.
def test_forked_child_that_leaves_the_with_statement_ends_nothing(board: taskhost.Board) -> None:
    try:
        with _claim(board, "t"):
            child = os.fork()
            if child == 0:
                raise SystemExit
            os.waitpid(child, 0)
            assert board.task("t").status == "in_progress"
    except SystemExit:
        os._exit(0)
    assert board.task("t").status == "completed"


# An exception named a file whose name is no text. It was replaced by a UnicodeEncodeError, and its task was held until
# the program ended.
def test_task_fails_with_an_error_that_is_no_text(board: taskhost.Board) -> None:
    with pytest.raises(RuntimeError), _claim(board, "t"):
        raise RuntimeError("can't read \udcff.csv")
    assert board.task("t").error == r"RuntimeError: can't read \udcff.csv"


# Opened boards and locks stayed open until Python collected its garbage, and a program that opened many ran out of
# descriptors.
def test_what_nobody_has_any_more_is_closed_at_once(board: taskhost.Board, tmp_path: Path) -> None:
    def open_descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    gc.collect()
    gc.disable()
    try:
        before = open_descriptors()
        for _ in range(10):
            taskhost.Board(board.path).counts()
            with taskhost.FileLock(tmp_path / "lock").acquire():
                pass
            with board.agent("ada"):
                pass
        assert open_descriptors() <= before + 3
    finally:
        gc.enable()


def _count(board: taskhost.Board) -> int:
    return board.counts().total


# A pool of processes couldn't be given a board: "cannot pickle '_native.Board' object".
def test_board_can_be_handed_to_another_process(
    board: taskhost.Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.add("t")
    monkeypatch.chdir(tmp_path)
    relative = taskhost.Board(board.path.relative_to(tmp_path))
    monkeypatch.chdir("/")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_count, (relative,)) == 1


# A lock with a relative path was another file's after the program had changed its directory.
def test_lock_stays_that_of_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    lock = taskhost.FileLock("lock")
    monkeypatch.chdir("sub")
    with lock.acquire(), pytest.raises(taskhost.LockTimeout):
        taskhost.FileLock(tmp_path / "lock").acquire(timeout=0.05)
