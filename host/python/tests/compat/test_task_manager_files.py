"""The workflows of ``TaskManager``, and the state files that they come from and go back to."""

from __future__ import annotations

import json
import os
import pickle
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import taskhost
from _manager import FIELDS, FORK, found, given
from taskhost.compat.task_manager import TaskManager

# What of a state file has no like on a board is warned of.
pytestmark = pytest.mark.filterwarnings("ignore::taskhost.NotMapped")


@pytest.fixture
def tm(tmp_path: Path) -> TaskManager:
    return TaskManager(tmp_path / "states" / "work.json")


# Workflows


def test_each_state_file_is_a_workflow_of_its_own(elsewhere: Path) -> None:
    data, review = TaskManager(Path("states/data.json")), TaskManager("states/review.json")
    id = data.create_task("analyze")
    assert review.get_task(id) is None and review.get_next_task("ada") is None
    same = TaskManager(str(elsewhere / "states" / "data.json"))
    assert found(same, id) == found(data, id)
    os.chdir("states")
    assert given(data, "ada")["id"] == id


def test_metadata_is_kept_beside_the_tasks(tm: TaskManager) -> None:
    tm.update_workflow_metadata({"version": "2.0", "nested": {"a": [1]}})
    tm.update_workflow_metadata({"version": "2.1", "started_by": "scheduler"})
    kept = {"version": "2.1", "nested": {"a": [1]}, "started_by": "scheduler"}
    assert TaskManager(tm.state_file).get_workflow_metadata() == kept
    with pytest.raises(ValueError, match="no key"):
        tm.update_workflow_metadata({"a": 1, "no key": 2})
    with pytest.raises(TypeError):
        tm.update_workflow_metadata({"a": 1, "b": {1}})
    assert tm.get_workflow_metadata() == kept


def test_of_two_who_update_metadata_neither_comes_between_the_others_values(
    tm: TaskManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The whole file was written at once, so one update's values stood there together.
    other = TaskManager(tm.state_file, lock_timeout=0.05)
    set_meta = tm.board.set_meta

    def interrupted(key: str, value: Any) -> None:
        set_meta(key, value)
        with pytest.raises(taskhost.LockTimeout):
            other.update_workflow_metadata({"a": "other", "b": "other"})

    monkeypatch.setattr(tm.board, "set_meta", interrupted)
    tm.update_workflow_metadata({"a": "one", "b": "one"})
    assert tm.get_workflow_metadata() == {"a": "one", "b": "one"}
    other.update_workflow_metadata({"a": "other", "b": "other"})
    assert tm.get_workflow_metadata() == {"a": "other", "b": "other"}


def test_a_manager_can_be_pickled(tmp_path: Path) -> None:
    tm = TaskManager(tmp_path / "work.json", 2.5, 0.5, living=True)
    again = pickle.loads(pickle.dumps(tm))
    assert (again.state_file, again.lock_timeout) == (tm.state_file, 2.5)
    assert (again.task_timeout_hours, again.living) == (0.5, True)


def test_a_change_writes_no_more_on_a_large_board(tm: TaskManager) -> None:
    # Each change wrote the whole file: 41 claims a second at 1,000 tasks, 4 at 10,000.
    def written() -> int:
        return sum(path.stat().st_size for path in tm.board.path.glob("journal-*.jsonl"))

    def cost() -> int:
        before = written()
        id = given(tm, "ada")["id"]
        assert tm.complete_task(id, "ada")
        return written() - before

    tm.create_task("analyze")
    small = cost()
    tm.board.add_all([{"type": "analyze", "data": {"n": n}} for n in range(2000)])
    assert 0 < cost() < small + 1000


# State files


def old_state(**tasks: dict[str, Any]) -> str:
    """A state file as the old system left it."""
    blank: dict[str, Any] = {"type": "analyze", "status": "pending", "data": {}}
    blank |= dict.fromkeys(["parent_id", "locked_by", "locked_at", "completed_at"])
    blank["created_at"] = "2024-01-01T10:00:00.123456"
    metadata = {"initialized_at": "2024-01-01T10:00:00", "owner": "ops"}
    return json.dumps(
        {
            "workflow_type": "generic",
            "metadata": metadata,
            "tasks": {id: {**blank, **task} for id, task in tasks.items()},
        }
    )


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    just_now = datetime.now().isoformat()
    path = tmp_path / "old.json"
    path.write_text(
        old_state(
            done={
                "status": "completed",
                "locked_by": "ada",
                "locked_at": "2024-01-01T10:00:01",
                "completed_at": "2024-01-01T10:00:02",
                "result": {"rows": 3},
            },
            held={"status": "in_progress", "locked_by": "ada", "locked_at": just_now},
            stale={
                "status": "in_progress",
                "locked_by": "gone",
                "locked_at": "2024-01-01T10:00:00",
            },
            child={"parent_id": "done", "data": {"x": 1}, "retries": 2},
            **{"an odd id": {"data": {"odd": True}}},
        )
    )
    return path


def test_a_state_file_is_brought_along_and_left_as_it_is(state_file: Path) -> None:
    before = state_file.read_bytes()
    tm = TaskManager(state_file)
    assert tm.get_status_summary()["total_tasks"] == 5
    done = found(tm, "done")
    assert (done["status"], done["result"], done["locked_by"]) == ("completed", {"rows": 3}, None)
    assert done["created_at"] == "2024-01-01T10:00:00.123456"
    child = found(tm, "child")
    assert (child["parent_id"], child["data"], child["retries"]) == ("done", {"x": 1}, 2)
    assert list(child)[:9] == FIELDS
    assert tm.get_workflow_metadata()["owner"] == "ops"
    assert state_file.read_bytes() == before


def test_work_goes_on_where_the_state_file_stood(state_file: Path) -> None:
    tm = TaskManager(state_file)
    # What was claimed just now is still its holder's; what has been for years is anybody's.
    assert tm.complete_task("held", "ada")
    assert not tm.complete_task("stale", "gone-too")
    got = [given(tm, "bob")["id"] for _ in range(3)]
    assert sorted(got) == ["an odd id", "child", "stale"]
    assert tm.get_next_task("bob") is None
    for id in got:
        assert tm.complete_task(id, "bob")
    assert tm.get_status_summary()["status_counts"]["completed"] == 5


def test_tasks_keep_the_ids_that_a_board_cannot_have(state_file: Path) -> None:
    tm = TaskManager(state_file)
    assert found(tm, "an odd id")["id"] == "an odd id"
    child = tm.create_task("analyze", parent_id="an odd id")
    assert [task["id"] for task in tm.get_task_children("an odd id")] == [child]


def test_opening_a_state_file_again_changes_nothing(state_file: Path) -> None:
    tm = TaskManager(state_file)
    assert tm.complete_task("held", "ada")
    state_file.touch()
    again = TaskManager(state_file)
    assert found(again, "held")["status"] == "completed"
    assert again.get_status_summary()["total_tasks"] == 5


def test_what_an_old_program_adds_meanwhile_is_brought_along(state_file: Path) -> None:
    TaskManager(state_file)
    state = json.loads(state_file.read_text())
    state["tasks"]["later"] = {**state["tasks"]["child"], "parent_id": None}
    state_file.write_text(json.dumps(state))
    assert found(TaskManager(state_file), "later")["status"] == "pending"


def _open(state_file: Path, barrier: Any, gone: Any) -> None:
    barrier.wait(30)
    gone.put(TaskManager(state_file).get_status_summary()["total_tasks"])


def test_many_who_open_a_state_file_first_bring_it_along_once(state_file: Path) -> None:
    barrier, gone = FORK.Barrier(4), FORK.Queue()
    openers = [FORK.Process(target=_open, args=(state_file, barrier, gone)) for _ in range(4)]
    for opener in openers:
        opener.start()
    assert [gone.get(timeout=30) for _ in openers] == [5] * 4
    for opener in openers:
        opener.join(30)


def test_the_state_file_can_be_written_for_going_back(
    state_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tm = TaskManager(state_file)
    new = tm.create_task("analyze", {"n": 1})
    assert tm.complete_task("held", "ada", result_data={"rows": 4})
    # A rename that isn't synced may be undone by a loss of power, though success was reported.
    synced: list[bool] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    assert tm.export_state() == ()
    assert synced[-2:] == [False, True]
    state = json.loads(state_file.read_text())
    assert set(state) == {"workflow_type", "metadata", "tasks"}
    assert set(state["tasks"]) == {"done", "held", "stale", "child", "an odd id", new}
    held = state["tasks"]["held"]
    assert (held["status"], held["result"]) == ("completed", {"rows": 4})
    assert state["tasks"]["child"]["retries"] == 2
    assert state["metadata"]["owner"] == "ops"
    assert sorted(path.name for path in state_file.parent.iterdir()) == [
        "old.json",
        "old.json.taskhost",
    ]
    # And forth once more.
    assert TaskManager(state_file).get_status_summary()["total_tasks"] == 6


def test_the_state_file_is_written_where_there_was_none(tm: TaskManager) -> None:
    id = tm.create_task("analyze")
    tm.export_state()
    tm.export_state()
    assert list(json.loads(tm.state_file.read_text())["tasks"]) == [id]


# Going back lost what had been told of tasks that were cancelled, and of those that failed with more than an error.
def test_results_of_what_failed_or_was_cancelled_are_in_the_exported_state(tmp_path: Path) -> None:
    tm = TaskManager(tmp_path / "state.json")
    told = {"cancelled": {"why": "twice"}, "failed": {"error": "no rows", "rows": 0}}
    ids = {}
    for status, result in told.items():
        id = ids[status] = tm.create_task("load")
        tm.get_next_task("ada")
        assert tm.complete_task(id, "ada", status, result)
    tm.export_state()
    tasks = json.loads(tm.state_file.read_bytes())["tasks"]
    assert {status: tasks[id]["result"] for status, id in ids.items()} == told
