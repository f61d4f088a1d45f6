"""Assigning Todo2 tasks: each is assigned once, however many try."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _project import Project, project

import taskhost
from taskhost.compat.file_lock import load_todo2_state, state_file_lock, task_lock
from taskhost.compat.file_ops import BrokenJSON
from taskhost.compat.task_locking import (
    atomic_assign_task,
    atomic_batch_assign,
    atomic_check_and_assign,
)

__all__ = ["project"]

_processes = multiprocessing.get_context("spawn")


def _elsewhere(work: Callable[[], object]) -> None:
    """Runs it in another thread, which has no locks."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _race(root: str, names: list[str], answers: Any) -> None:
    def run(name: str) -> None:
        answers.put((name, *atomic_assign_task("T-1", name, timeout=60, root=root)))

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_many_who_assign_one_task_one_wins_and_the_others_are_told_who(project: Project) -> None:
    # Two agents read that a task is nobody's, both wrote that it is theirs, and both worked on it.
    answers = _processes.Queue()
    names = [[f"agent-{process}-{thread}" for thread in range(4)] for process in range(3)]
    racers = [
        _processes.Process(target=_race, args=(str(project.root), each, answers)) for each in names
    ]
    for racer in racers:
        racer.start()
    found = [answers.get() for _ in range(12)]
    for racer in racers:
        racer.join()
    [winner] = [name for name, success, _ in found if success]
    errors = {error for _, success, error in found if not success}
    assert errors == {f"Task already assigned to agent:{winner}"}
    assert project.todo("T-1")["assignee"]["name"] == winner
    assert project.board.task("T-1").assignee == taskhost.Assignee(winner)


def test_what_is_in_the_way_is_said_in_these_words(project: Project) -> None:
    assert atomic_assign_task("T-1", "ada", assigned_by="night") == (True, None)
    assert atomic_assign_task("T-1", "bob") == (False, "Task already assigned to agent:ada")
    # Also to the same one: two agents of one name don't share a task.
    assert atomic_assign_task("T-1", "ada") == (False, "Task already assigned to agent:ada")
    assert atomic_assign_task("T-9", "ada") == (False, "Task not found")
    with state_file_lock():
        _elsewhere(lambda: _is(atomic_assign_task("T-2", "bob", timeout=0), (False, "Lock timeout")))


def _is(found: object, expected: object) -> None:
    assert found == expected


def test_checking_and_assigning_says_who_has_it(project: Project) -> None:
    first = atomic_check_and_assign("T-1", "box", "host", "10.0.0.7", "night", timeout=2.0)
    assert first == {"assigned": True, "existing_assignee": None, "reason": None}
    second = atomic_check_and_assign("T-1", "bob")
    assert not second["assigned"] and second["reason"] == "Task already assigned to host:box"
    existing = second["existing_assignee"]
    assert (existing["name"], existing["type"]) == ("box", "host")
    assert (existing["hostname"], existing["assigned_by"]) == ("10.0.0.7", "night")
    assert atomic_check_and_assign("T-9", "bob")["reason"] == "Task not found"
    on_board = project.board.task("T-1").assignee
    assert on_board == taskhost.Assignee("box", "host", "10.0.0.7", "night")


def test_a_batch_is_assigned_whole_or_not_at_all(project: Project) -> None:
    # Promised as all or nothing, a batch assigned what it could and saved that.
    atomic_assign_task("T-2", "bob")
    assert atomic_batch_assign(["T-1", "T-2", "T-9"], "ada") == {
        "assigned": [],
        "failed": [
            {"task_id": "T-1", "reason": "Not assigned, because T-2, T-9 can't be"},
            {"task_id": "T-2", "reason": "Task already assigned to agent:bob"},
            {"task_id": "T-9", "reason": "Task not found"},
        ],
    }
    assert "assignee" not in project.todo("T-1") and project.board.task("T-1").assignee is None
    assert atomic_batch_assign(["T-3", "T-1"], "ada") == {"assigned": ["T-3", "T-1"], "failed": []}
    with pytest.raises(TypeError, match="a list of ids"):
        atomic_batch_assign("T-1", "ada")


def _batch(root: str, ids: list[str], name: str, answers: Any) -> None:
    answers.put((name, atomic_batch_assign(ids, name, timeout=60, root=root)["assigned"]))


def test_of_batches_that_overlap_one_wins_whatever_their_order(project: Project) -> None:
    answers = _processes.Queue()
    orders = [["T-1", "T-2", "T-3"], ["T-3", "T-2", "T-1"], ["T-2", "T-3", "T-1"]]
    racers = [
        _processes.Process(target=_batch, args=(str(project.root), ids, f"a{n}", answers))
        for n, ids in enumerate(orders)
    ]
    for racer in racers:
        racer.start()
    found = dict(answers.get() for _ in racers)
    for racer in racers:
        racer.join()
    [winner] = [name for name, assigned in found.items() if assigned]
    assert {project.todo(id)["assignee"]["name"] for id in orders[0]} == {winner}


def test_a_task_that_an_agent_claimed_on_the_board_counts_as_assigned(project: Project) -> None:
    atomic_assign_task("T-3", "bob")
    with project.board.agent("ada", living=False) as ada:
        claim = ada.claim()
        assert claim is not None and claim.id == "T-1"
        assert atomic_assign_task("T-1", "bob") == (False, "Task already assigned to agent:ada")
        todo = project.todo("T-1")
        assert (todo["status"], todo["assignee"]["name"]) == ("In Progress", "ada")
        with pytest.raises(taskhost.Taken):
            ada.claim("T-3")
        claim.complete({"lines": 3})
    done = load_todo2_state()["todos"][0]
    assert (done["status"], done["result"], done["assignee"]["name"]) == ("Done", {"lines": 3}, "ada")
    assert atomic_assign_task("T-1", "bob") == (False, "Task already assigned to agent:ada")


def test_a_task_that_somebody_has_locked_is_waited_for_and_the_others_are_not(
    project: Project,
) -> None:
    atomic_assign_task("T-3", "bob")
    with project.board.lock_task("T-1"):
        assert atomic_assign_task("T-1", "ada", timeout=0.01) == (False, "Lock timeout")
        waiting = threading.Thread(target=atomic_assign_task, args=("T-1", "ada"), kwargs={"timeout": 60})
        waiting.start()
        # One who waits for a task doesn't keep others from the state.
        assert atomic_assign_task("T-2", "ada", timeout=30) == (True, None)
    waiting.join()
    assert project.todo("T-1")["assignee"]["name"] == "ada"


def test_assigning_inside_ones_own_locks_does_not_wait_for_itself(project: Project) -> None:
    with state_file_lock(), task_lock("T-1"), task_lock("T-1"):
        assert atomic_assign_task("T-1", "ada", timeout=0) == (True, None)
        assert atomic_batch_assign(["T-2", "T-3"], "ada", timeout=0)["failed"] == []


def test_all_else_in_the_file_stays_as_it_was(project: Project) -> None:
    odd = {"id": "my task/7", "notes": [1], "status": "icebox", "tags": ["b", "a"], "priority": None}
    project.write({"id": 8, "z": 1, "a": 2}, odd, {"content": "no id"}, activities=[{"x": 1}], version="1.2")
    with pytest.warns(taskhost.NotMapped):
        assert atomic_assign_task("8", "ada") == (True, None)
    state = json.loads(project.path.read_text())
    assert state["todos"][0].pop("assignee")["name"] == "ada"
    assert state == {
        "activities": [{"x": 1}],
        "version": "1.2",
        "todos": [{"content": "…", "id": 8, "z": 1, "a": 2}, {"content": "…", **odd}, {"content": "no id"}],
    }
    assert list(state["todos"][0]) == ["content", "id", "z", "a"]
    with pytest.warns(taskhost.NotMapped):
        assert atomic_assign_task("my task/7", "crew", "team") == (True, None)
        assert atomic_assign_task("my task/7", "bob") == (False, "Task already assigned to team:crew")


def test_without_a_file_there_is_no_task_and_nothing_is_made(elsewhere: Path) -> None:
    assert atomic_assign_task("T-1", "ada", root=elsewhere) == (False, "Task not found")
    assert atomic_batch_assign(["T-1"], "ada", root=elsewhere)["assigned"] == []
    assert os.listdir(elsewhere) == []


def test_a_damaged_file_is_refused_with_its_place_and_left_as_it_is(project: Project) -> None:
    # A file that was cut off was read as an empty one, and written over.
    project.path.write_text('{"todos": [{"id": "T-1"')
    with pytest.raises(BrokenJSON, match="line 1, column 24"):
        atomic_assign_task("T-1", "ada")
    assert project.path.read_text() == '{"todos": [{"id": "T-1"'


def test_a_name_that_cannot_be_one_is_refused(project: Project) -> None:
    with pytest.raises(taskhost.UsageError):
        atomic_assign_task("T-1", " ")
    assert "assignee" not in project.todo("T-1")


def test_the_project_is_the_nearest_one_upwards_or_the_one_that_is_named(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = project.root / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert atomic_assign_task("T-1", "ada") == (True, None)
    monkeypatch.setenv("TODO2_ROOT", str(tmp_path / "nowhere"))
    assert atomic_assign_task("T-2", "ada") == (False, "Task not found")
    assert atomic_assign_task("T-2", "ada", root=project.root) == (True, None)


def test_exceptions_from_here_are_those_of_the_package(project: Project) -> None:
    with state_file_lock():

        def work() -> None:
            with task_lock("T-1", timeout=0):
                pass

        with pytest.raises(taskhost.LockTimeout):
            _elsewhere(work)
