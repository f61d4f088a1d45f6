"""What ``TaskManager`` says of tasks, and in which order and with which end they are done."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import taskhost
from _manager import FIELDS, found, given, take_away
from taskhost.compat.task_manager import TaskManager, TaskStatus


@pytest.fixture
def tm(tmp_path: Path) -> TaskManager:
    return TaskManager(tmp_path / "states" / "work.json")


# Tasks


def test_a_task_has_exactly_the_fields_of_the_state_file(tm: TaskManager) -> None:
    before = datetime.now() - timedelta(milliseconds=1)
    task = found(tm, tm.create_task("analyze", {"file": "a.csv", "deep": {"n": [1, None]}}))
    assert list(task) == FIELDS
    assert task["id"].startswith("analyze_") and len(task["id"]) == len("analyze_12345678")
    assert (task["type"], task["status"]) == ("analyze", "pending")
    assert task["data"] == {"file": "a.csv", "deep": {"n": [1, None]}}
    nothing = ["parent_id", "locked_by", "locked_at", "completed_at"]
    assert [task[name] for name in nothing] == [None] * 4
    # Naive local time, as `datetime.now().isoformat()` writes it.
    created = datetime.fromisoformat(task["created_at"])
    assert created.tzinfo is None and before <= created <= datetime.now()


def test_data_is_an_empty_object_unless_given(tm: TaskManager) -> None:
    assert found(tm, tm.create_task("analyze"))["data"] == {}


def test_a_task_says_who_holds_it_for_as_long_as_somebody_does(tm: TaskManager) -> None:
    id = tm.create_task("analyze")
    task = given(tm, "ada")
    assert task == found(tm, id)
    assert (task["status"], task["locked_by"]) == ("in_progress", "ada")
    assert datetime.fromisoformat(task["locked_at"]).tzinfo is None
    assert tm.release_task(id, "ada")
    task = found(tm, id)
    assert (task["status"], task["locked_by"], task["locked_at"]) == ("pending", None, None)
    given(tm, "ada")
    assert tm.complete_task(id, "ada")
    task = found(tm, id)
    assert (task["status"], task["locked_by"], task["locked_at"]) == ("completed", None, None)
    assert datetime.fromisoformat(task["completed_at"]) <= datetime.now()
    assert list(task) == FIELDS


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_result_stays_with_its_task_however_it_ended(tm: TaskManager, status: str) -> None:
    errors: list[Any] = [{"error": "no disk"}, {"error": "no disk", "code": 28}, {"error": None}]
    for result in [*errors, {"rows": 0}, {}, [1], "text", 0, False]:
        tm.create_task("analyze")
        task = given(tm, "ada")
        assert tm.complete_task(task["id"], "ada", TaskStatus(status), result)
        ended = found(tm, task["id"])
        assert (ended["status"], ended["result"]) == (status, result)
        assert list(ended) == [*FIELDS, "result"]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_task_without_a_result_has_none(tm: TaskManager, status: str) -> None:
    tm.create_task("analyze")
    task = given(tm, "ada")
    assert tm.complete_task(task["id"], "ada", TaskStatus(status))
    assert list(found(tm, task["id"])) == FIELDS


def test_a_result_that_cannot_be_kept_is_refused_and_the_task_stays(tm: TaskManager) -> None:
    id = tm.create_task("analyze")
    task = given(tm, "ada")
    for status in (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED):
        with pytest.raises(ValueError, match="taskhost context"):
            tm.complete_task(id, "ada", status, "x" * (1 << 20))
        with pytest.raises(TypeError, match="set"):
            tm.complete_task(id, "ada", status, {1})
    assert found(tm, id) == task


def test_the_words_of_others_are_no_results(tm: TaskManager) -> None:
    failed, cancelled = tm.create_task("analyze"), tm.create_task("analyze")
    tm.board.agent("ada", living=False).claim(failed)
    tm.board.fail(failed, "ada", error="failed with the result nobody knows")
    tm.board.cancel(cancelled, reason="cancelled with the result of nothing")
    assert found(tm, failed)["result"] == {"error": "failed with the result nobody knows"}
    assert "result" not in found(tm, cancelled)


def test_a_status_is_its_word() -> None:
    assert [str(status) for status in TaskStatus] == [
        "pending",
        "in_progress",
        "completed",
        "failed",
        "cancelled",
    ]
    word: str = TaskStatus.FAILED
    assert word == "failed" and f"{word}" == "failed" and {word: 1}["failed"] == 1
    assert json.dumps({TaskStatus.FAILED: TaskStatus.FAILED}) == '{"failed": "failed"}'
    assert TaskStatus("failed") is TaskStatus.FAILED


def test_a_task_that_isnt_there_is_none(tm: TaskManager) -> None:
    for id in ("analyze_12345678", "no id of a board", ""):
        assert tm.get_task(id) is None
        assert tm.get_task_children(id) == []
        assert not tm.complete_task(id, "ada")
        assert not tm.complete_task(id, "ada", TaskStatus.FAILED)
        assert not tm.complete_task(id, "ada", TaskStatus.CANCELLED)
        assert not tm.release_task(id, "ada")
        assert not tm.heartbeat(id, "ada")


def test_what_a_board_knows_more_is_shown_as_near_as_it_comes(tm: TaskManager) -> None:
    id = tm.create_task("analyze")
    tm.board.block(id, reason="tabs or spaces?").check()
    assert TaskStatus(found(tm, id)["status"]) is TaskStatus.PENDING
    assert tm.get_next_task("ada") is None
    assert tm.get_status_summary()["status_counts"]["pending"] == 1


# Order, and parents


def test_the_oldest_task_comes_first(tm: TaskManager) -> None:
    ids = [tm.create_task("analyze", {"n": n}) for n in range(20)]
    assert [given(tm, "ada")["id"] for _ in ids] == ids
    assert tm.get_next_task("ada") is None


def test_only_the_types_that_are_asked_for_are_given(tm: TaskManager) -> None:
    a, b, c = (tm.create_task(type) for type in "abc")
    assert given(tm, "ada", ["c", "b"])["id"] == b
    assert given(tm, "ada", ["c", "b"])["id"] == c
    assert tm.get_next_task("ada", ["c", "b"]) is None
    assert given(tm, "ada", [])["id"] == a


def test_a_child_waits_for_its_parent(tm: TaskManager) -> None:
    # "Hierarchical task dependencies" were recorded, and nothing held a child back.
    parent = tm.create_task("extract")
    children = [tm.create_task("transform", parent_id=parent) for _ in range(2)]
    assert tm.get_next_task("bob", ["transform"]) is None
    assert given(tm, "ada")["id"] == parent
    assert tm.get_next_task("bob") is None
    assert tm.complete_task(parent, "ada")
    assert [given(tm, "bob")["id"] for _ in children] == children
    assert [child["id"] for child in tm.get_task_children(parent)] == children
    assert {child["parent_id"] for child in tm.get_task_children(parent)} == {parent}


@pytest.mark.parametrize("status", [TaskStatus.FAILED, TaskStatus.CANCELLED])
def test_a_child_of_what_was_not_completed_is_not_given(
    tm: TaskManager, status: TaskStatus
) -> None:
    parent = tm.create_task("extract")
    child = tm.create_task("transform", parent_id=parent)
    given(tm, "ada")
    assert tm.complete_task(parent, "ada", status)
    assert tm.get_next_task("ada") is None
    assert found(tm, child)["status"] == "pending"


def test_a_parent_must_be_there(tm: TaskManager) -> None:
    with pytest.raises(taskhost.NotFound, match="nobody"):
        tm.create_task("transform", parent_id="nobody")
    assert tm.get_status_summary()["total_tasks"] == 0


def test_a_pipeline_of_stages_runs_to_its_end(tm: TaskManager) -> None:
    for item in "abc":
        tm.create_task("extract", {"source": item})
    while task := tm.get_next_task("extractor", ["extract"]):
        tm.create_task("transform", {"data": task["data"]["source"].upper()}, task["id"])
        assert tm.complete_task(task["id"], "extractor")
    while task := tm.get_next_task("transformer", ["transform"]):
        assert tm.complete_task(task["id"], "transformer", result_data={"output": task["data"]})
    counts = tm.get_status_summary()
    assert (counts["total_tasks"], counts["status_counts"]["completed"]) == (6, 6)
    assert counts["type_counts"] == {"extract": 3, "transform": 3}


def test_the_summary_has_every_status(tm: TaskManager) -> None:
    for _ in range(4):
        tm.create_task("a")
    tm.create_task("b")
    for status in (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED):
        assert tm.complete_task(given(tm, "ada")["id"], "ada", status)
    given(tm, "ada")
    assert tm.get_status_summary() == {
        "total_tasks": 5,
        "status_counts": dict.fromkeys(list(TaskStatus), 1),
        "type_counts": {"a": 4, "b": 1},
    }


# Ending a task


def test_only_the_holder_ends_a_task(tm: TaskManager) -> None:
    id = tm.create_task("analyze")
    for agent in ("ada", "bob"):
        # Nobody holds it.
        assert not tm.complete_task(id, agent)
        assert not tm.release_task(id, agent)
    task = given(tm, "ada")
    for status in (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED):
        assert not tm.complete_task(id, "bob", status, {"by": "bob"})
    assert not tm.release_task(id, "bob")
    assert not tm.heartbeat(id, "bob")
    assert found(tm, id) == task


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_the_same_end_repeated_is_true_again_and_another_is_false(
    tm: TaskManager, status: str
) -> None:
    # Whoever heard no answer asks again, in another process perhaps.
    id = tm.create_task("analyze")
    given(tm, "ada")
    again = TaskManager(tm.state_file)
    assert tm.complete_task(id, "ada", TaskStatus(status), {"rows": 1})
    ended = found(tm, id)
    assert tm.complete_task(id, "ada", TaskStatus(status), {"rows": 1})
    assert again.complete_task(id, "ada", TaskStatus(status), {"rows": 1})
    assert not tm.complete_task(id, "ada", TaskStatus(status), {"rows": 2})
    assert not tm.complete_task(id, "bob", TaskStatus(status), {"rows": 1})
    for other in {"completed", "failed", "cancelled"} - {status}:
        assert not tm.complete_task(id, "ada", TaskStatus(other), {"rows": 1})
    assert not tm.release_task(id, "ada")
    assert found(tm, id) == ended


@pytest.mark.parametrize("status", ["pending", "in_progress", TaskStatus.PENDING, "done"])
def test_a_task_ends_only_as_completed_failed_or_cancelled(tm: TaskManager, status: Any) -> None:
    id = tm.create_task("analyze")
    task = given(tm, "ada")
    with pytest.raises(ValueError, match=str(status)):
        tm.complete_task(id, "ada", status)
    assert found(tm, id) == task


def test_what_failed_is_not_tried_again(tm: TaskManager) -> None:
    id = tm.create_task("analyze")
    given(tm, "ada")
    assert tm.complete_task(id, "ada", TaskStatus.FAILED, {"error": "no disk"})
    assert tm.get_next_task("bob") is None
    tm.board.retry(id).check()
    assert given(tm, "bob")["id"] == id


def test_nobody_is_given_a_task_while_its_holder_cancels_it(
    tm: TaskManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A board cancels for anybody, so its holder is looked up first. If the task were lost just then and given to
    # another agent, that one's work would be cancelled. Here it is lost at that very moment.
    id = tm.create_task("analyze")
    given(tm, "ada")
    others: list[Any] = []
    cancel = tm.board.cancel

    def lose_it_first(*args: Any, **options: Any) -> taskhost.Changed:
        take_away(tm, id)
        others.append(tm.get_next_task("bob"))
        return cancel(*args, **options)

    monkeypatch.setattr(tm.board, "cancel", lose_it_first)
    assert tm.complete_task(id, "ada", TaskStatus.CANCELLED)
    assert others == [None]
    assert found(tm, id)["status"] == "cancelled"


def test_of_a_cancel_and_a_completion_at_once_one_counts(tm: TaskManager) -> None:
    for _ in range(10):
        id = tm.create_task("analyze")
        given(tm, "ada")
        with ThreadPoolExecutor(2) as pool:
            ends = [TaskStatus.CANCELLED, TaskStatus.COMPLETED]
            said = list(pool.map(lambda status: tm.complete_task(id, "ada", status), ends))
        assert sorted(said) == [False, True]
        assert found(tm, id)["status"] == ends[said.index(True)]
