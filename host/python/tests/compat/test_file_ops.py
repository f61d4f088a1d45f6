"""Locks beside files, and JSON files that are read and written by many at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import taskhost
from taskhost.compat import _durable, file_ops
from taskhost.compat.file_ops import (
    BrokenJSON,
    FileLock,
    TaskLock,
    lock_statistics,
    safe_json_read,
    safe_json_write,
)

_processes = multiprocessing.get_context("spawn")


def _append(path: str, who: int, count: int) -> None:
    for number in range(count):
        with FileLock(path, timeout=60):
            tasks = safe_json_read(path, default=[])
            tasks.append([who, number])
            safe_json_write(path, tasks)


def test_of_many_processes_and_threads_that_read_change_and_write_nobody_loses_anything(
    tmp_path: Path,
) -> None:
    # Agents read and wrote a board's file at once: tasks were lost, some were there twice, and the JSON was broken.
    path = str(tmp_path / "boards" / "working_tasks.json")
    processes = [_processes.Process(target=_append, args=(path, who, 10)) for who in range(3)]
    threads = [threading.Thread(target=_append, args=(path, who, 10)) for who in range(3, 6)]
    for each in [*processes, *threads]:
        each.start()
    for each in [*processes, *threads]:
        each.join()
    assert sorted(safe_json_read(path)) == [[who, n] for who in range(6) for n in range(10)]


def test_a_lock_file_is_never_deleted_or_replaced(tmp_path: Path) -> None:
    # Lock files were deleted when they were let go of: one who waited held the deleted one, and a newcomer a new one.
    lock = FileLock(tmp_path / "a.json")
    with lock:
        before = lock.lock_path.stat().st_ino
    with lock:
        pass
    assert lock.lock_path == tmp_path / "a.json.lock"
    assert lock.lock_path.stat().st_ino == before


_HOLD = """
import sys
from taskhost.compat.file_ops import FileLock

FileLock(sys.argv[1]).acquire()
print(flush=True)
sys.stdin.read()
"""


def test_a_killed_holder_lets_go_and_its_lock_file_stays_as_it_is(tmp_path: Path) -> None:
    # Stale locks of crashed processes were left to timeouts, or to somebody's deleting them.
    path = tmp_path / "a.json"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(taskhost.LockTimeout):
            FileLock(path, timeout=0).acquire()
        holder.kill()
        holder.wait()
    with FileLock(path, timeout=0):
        pass


def test_one_who_waits_gets_the_lock_when_it_is_let_go(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.json", timeout=30)
    got: list[bool] = []
    waiter = threading.Thread(target=lambda: got.append(lock.acquire()))
    with lock:
        waiter.start()
        waiter.join(0.05)
        assert got == []
    waiter.join()
    assert got == [True]


def test_a_thread_may_take_its_lock_again_and_another_may_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    failed: list[BaseException] = []

    def try_once() -> None:
        try:
            FileLock(path, timeout=0).acquire()
        except taskhost.LockTimeout as error:
            failed.append(error)

    def in_another_thread() -> int:
        thread = threading.Thread(target=try_once)
        thread.start()
        thread.join()
        return len(failed)

    with FileLock(path):
        with FileLock(path, timeout=0) as again:
            assert again.is_held
        assert in_another_thread() == 1
    assert in_another_thread() == 1
    assert isinstance(failed[0], TimeoutError)


def test_a_lock_that_another_thread_has_is_not_released_by_mistake(tmp_path: Path) -> None:
    # `try: lock.acquire() … finally: lock.release()` released the lock of whoever was in the way.
    lock = FileLock(tmp_path / "a.json", timeout=0)
    with lock:
        thread = threading.Thread(target=lock.release)
        thread.start()
        thread.join()
        assert lock.is_held
    lock.release()


def test_a_forked_child_holds_nothing_and_lets_go_of_nothing(tmp_path: Path) -> None:
    # A child inherits its parent's descriptors, and with them its locks.
    lock = FileLock(tmp_path / "a.json", timeout=0)
    with lock:
        child = os.fork()
        if child == 0:
            lock.release()
            try:
                lock.acquire()
                os._exit(1)
            except taskhost.LockTimeout:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        other = [sys.executable, "-c", _TRY, lock.path]
        assert subprocess.run(other, check=False).returncode == 6


_TRY = """
import sys, taskhost
from taskhost.compat.file_ops import FileLock
try:
    FileLock(sys.argv[1], timeout=0).acquire()
except taskhost.LockTimeout:
    sys.exit(6)
"""


def test_a_lock_is_let_go_when_its_block_raises(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.json")
    with pytest.raises(KeyError), lock:
        raise KeyError
    assert not lock.is_held


def test_tasks_of_a_board_are_locked_one_by_one(tmp_path: Path) -> None:
    # One long piece of work on one task kept everybody from the whole file.
    board = tmp_path / "board.json"
    failed: list[str] = []

    def try_each() -> None:
        for id in ["t-1", "t-2", "../odd id"]:
            try:
                with TaskLock(board, id, timeout=0), FileLock(board, timeout=0):
                    pass
            except taskhost.LockTimeout:
                failed.append(id)

    with TaskLock(board, "t-1"), TaskLock(board, "../odd id"):
        thread = threading.Thread(target=try_each)
        thread.start()
        thread.join()
    assert failed == ["t-1", "../odd id"]
    assert {file.parent for file in tmp_path.rglob("*.lock")} == {tmp_path, tmp_path / "board.json.locks"}


def test_statistics_tell_who_waited_and_for_how_long(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.json", timeout=0)
    assert lock.statistics.acquisitions == 0
    with lock, lock:
        thread = threading.Thread(target=lambda: pytest.raises(TimeoutError, lock.acquire))
        thread.start()
        thread.join()
    with lock:
        pass
    found = lock.statistics
    assert (found.acquisitions, found.contended, found.timeouts) == (2, 1, 1)
    assert found.wait_seconds_total >= found.wait_seconds_max > 0
    assert found.hold_seconds_total > 0
    assert lock_statistics()[str(lock.lock_path)] == found
    lock_statistics(reset=True)
    assert lock_statistics() == {}


def test_a_missing_file_is_the_default_or_an_error(tmp_path: Path) -> None:
    assert safe_json_read(tmp_path / "none.json", default=None) is None
    with pytest.raises(FileNotFoundError):
        safe_json_read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [(b"", 1, 1), (b'[\n  1,\n  "a"', 3, 6), (b'["\xff"]', 1, 3), (b"[]]", 1, 3)],
)
def test_a_broken_file_is_never_taken_for_a_missing_one(
    tmp_path: Path, text: bytes, line: int, column: int
) -> None:
    # A file that was broken by a crash was read as the default, and then written over: everything was lost.
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(BrokenJSON) as caught:
        safe_json_read(path, default=[], retries=1, retry_delay=0)
    assert (caught.value.path, caught.value.line, caught.value.column) == (str(path), line, column)
    assert f"line {line}, column {column}" in str(caught.value)
    assert path.read_bytes() == text


def test_a_file_that_is_being_written_in_place_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"half": ')
    monkeypatch.setattr(file_ops.time, "sleep", lambda seconds: path.write_text('{"half": 1}'))
    assert safe_json_read(path, retries=1) == {"half": 1}


def test_what_the_callers_validation_refuses_is_not_given(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    safe_json_write(path, {"tasks": 1})
    assert safe_json_read(path, validate=lambda value: "tasks" in value) == {"tasks": 1}
    with pytest.raises(BrokenJSON, match="validation says no"):
        safe_json_read(path, retries=0, validate=lambda value: isinstance(value, list))

    def explain(value: Any) -> None:
        raise ValueError("`tasks` is no list")

    with pytest.raises(ValueError, match="`tasks` is no list"):
        safe_json_read(path, default={}, retries=0, validate=explain)


def test_a_file_keeps_its_permissions_and_a_link_stays_a_link(tmp_path: Path) -> None:
    target = tmp_path / "real" / "a.json"
    safe_json_write(target, 1)
    target.chmod(0o640)
    link = tmp_path / "a.json"
    link.symlink_to(target)
    safe_json_write(link, {"é": 2})
    assert link.is_symlink() and json.loads(target.read_text("utf-8")) == {"é": 2}
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_that_the_process_gives(tmp_path: Path) -> None:
    # `mkstemp` makes files that nobody else can read.
    plain = tmp_path / "plain"
    plain.touch()
    safe_json_write(tmp_path / "a.json", 1)
    assert (tmp_path / "a.json").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("data", [float("nan"), float("inf"), {"a": {1, 2}}])
def test_what_is_no_json_changes_nothing(tmp_path: Path, data: object) -> None:
    path = tmp_path / "a.json"
    safe_json_write(path, [1])
    with pytest.raises((ValueError, TypeError)):
        safe_json_write(path, data)
    assert os.listdir(tmp_path) == ["a.json"] and safe_json_read(path) == [1]


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.json"
    safe_json_write(path, [1])

    def fail(*_: object) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patched:
        patched.setattr(_durable.os, step, fail)
        with pytest.raises(OSError, match="no space left"):
            safe_json_write(path, [2])
    assert os.listdir(tmp_path) == ["a.json"] and safe_json_read(path) == [1]


def test_the_file_is_synced_before_it_is_renamed_and_the_directory_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the last sync a power failure undid the renaming, though success was reported.
    steps: list[str] = []
    sync, rename = os.fsync, os.replace

    def traced_sync(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("sync the directory" if is_directory else "sync the file")
        sync(descriptor)

    def traced_rename(old: Path, new: Path) -> None:
        steps.append("rename")
        rename(old, new)

    monkeypatch.setattr(_durable.os, "fsync", traced_sync)
    monkeypatch.setattr(_durable.os, "replace", traced_rename)
    safe_json_write(tmp_path / "a.json", 1)
    assert steps == ["sync the file", "rename", "sync the directory"]


def test_a_directory_that_cannot_be_synced_is_an_unknown_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(directory: Path) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(_durable, "_sync_directory", fail)
    with pytest.raises(taskhost.OutcomeUnknown, match="write it again"):
        safe_json_write(tmp_path / "a.json", 1)
