"""``file_ops``: one file by several names, names and texts at the limits, and those who give up waiting."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from taskhost import LockTimeout
from taskhost.compat.file_ops import FileLock, TaskLock, safe_json_read, safe_json_write


def _excludes(lock: FileLock | TaskLock, other: FileLock | TaskLock) -> bool:
    """Whether nobody gets the other while somebody has the one."""
    refused = []

    def try_once() -> None:
        try:
            with other:
                pass
        except LockTimeout:
            refused.append(True)

    with lock:
        thread = threading.Thread(target=try_once)
        thread.start()
        thread.join()
    return bool(refused)


# One program knew a board file by a link and the other by its own name: each had a lock of its own, and they overwrote
# each other's changes.
def test_file_that_is_reached_through_a_link_has_the_same_lock(tmp_path: Path) -> None:
    file, link = tmp_path / "board.json", tmp_path / "link.json"
    link.symlink_to(file)
    assert _excludes(FileLock(file), FileLock(link, timeout=0))
    assert _excludes(TaskLock(file, "t"), TaskLock(link, "t", timeout=0))


# A lock was made, the program changed its directory, and it locked a file there: but it was taken for the first one's
# lock by this thread, and by nobody else.
def test_lock_stays_that_of_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    lock = FileLock("board.json")
    monkeypatch.chdir("sub")
    assert _excludes(lock, FileLock(tmp_path / "board.json", timeout=0))
    assert os.listdir(".") == []


# A board file had a text in it that had been cut in the middle of an emoji. It could be read, but not written again.
def test_half_an_emoji_is_written_as_it_was_read(tmp_path: Path) -> None:
    file = tmp_path / "board.json"
    file.write_text(r'["Gr\u00fc\u00dfe \ud83d"]')
    text = safe_json_read(file)
    safe_json_write(file, text)
    assert safe_json_read(file) == text == ["Grüße \ud83d"]


# A name may have 255 bytes, which are 127 letters of many languages: the file beside it, which became the new one,
# had a longer name.
def test_file_with_a_name_of_many_bytes_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / ("ж" * 120 + ".json")
    safe_json_write(file, [1])
    assert safe_json_read(file) == [1]


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_timeout_that_is_none_is_refused(tmp_path: Path, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        FileLock(tmp_path / "f", timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        FileLock(tmp_path / "f").acquire(timeout)


# A program looked in a loop whether a lock had become free that somebody held for long. Each time it gave up it left a
# thread and two descriptors, until it could open no file any more.
def test_those_who_give_up_waiting_leave_one_thread_in_all(tmp_path: Path) -> None:
    def give_up() -> None:
        for _ in range(20):
            with pytest.raises(LockTimeout):
                FileLock(tmp_path / "f", timeout=0.01).acquire()

    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    before = threads()
    with FileLock(tmp_path / "f"):
        thread = threading.Thread(target=give_up)
        thread.start()
        thread.join()
        assert threads() <= before + 2
