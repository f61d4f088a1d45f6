"""The boards behind the files of other systems: how many a process has open."""

from __future__ import annotations

import os
from pathlib import Path

from taskhost.compat._boards import board_beside
from taskhost.compat.file_lock import load_todo2_state
from taskhost.compat.task_manager import TaskManager


def _descriptors() -> int:
    return len(os.listdir("/dev/fd"))


# A process kept every board that it had ever opened, each with some ten descriptors: after a hundred workflows it had
# none left, where it may have 1,024, as on Debian.
def test_a_process_goes_through_many_workflows_with_few_descriptors(tmp_path: Path) -> None:
    most = 0
    for n in range(60):
        manager = TaskManager(str(tmp_path / f"flow-{n}.json"))
        assert manager.get_next_task("ada") is None
        most = max(most, _descriptors())
    begun = _descriptors()
    for n in range(60, 90):
        assert TaskManager(str(tmp_path / f"flow-{n}.json")).get_next_task("ada") is None
    for n in range(30):
        state = tmp_path / f"p-{n}" / ".todo2" / "state.todo2.json"
        state.parent.mkdir(parents=True)
        state.write_text('{"todos": [{"id": "T-1"}]}')
        assert len(load_todo2_state(root=tmp_path / f"p-{n}")["todos"]) == 1
    assert most < 300
    # Of the files that were locked, the last ones stay open too.
    assert _descriptors() <= begun + 64


def test_who_has_a_board_shares_it_with_all_who_come_later(tmp_path: Path) -> None:
    manager = TaskManager(str(tmp_path / "flow.json"))
    board = manager.board
    for n in range(20):
        TaskManager(str(tmp_path / f"other-{n}.json"))
    assert TaskManager(str(tmp_path / "flow.json")).board is board
    task = manager.create_task("extract")
    assert manager.get_next_task("ada")["id"] == task  # type: ignore[index]


def test_a_board_that_was_removed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "flow.json"
    first = board_beside(path, timeout=5.0, settings={})
    (tmp_path / "flow.json.taskhost").rename(tmp_path / "gone")
    second = board_beside(path, timeout=5.0, settings={})
    assert second is not first
    second.add("extract", id="one")
    assert [task.id for task in board_beside(path, timeout=5.0, settings={}).tasks()] == ["one"]
