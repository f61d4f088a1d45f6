"""Assigning Todo2 tasks: each is assigned once, however many try, and whatever crashes meanwhile."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import taskhost
from taskhost.compat import _todo2, _todo2_seen
from taskhost.compat.file_lock import load_todo2_state, state_file_lock, task_lock
from taskhost.compat.file_ops import BrokenJSON
from taskhost.compat.task_locking import (
    atomic_assign_task,
    atomic_batch_assign,
    atomic_check_and_assign,
)

_processes = multiprocessing.get_context("spawn")


class Project:
    """A Todo2 project in the current directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / ".todo2" / "state.todo2.json"
        self.path.parent.mkdir()

    def write(self, *todos: dict[str, Any], **others: Any) -> None:
        state = {**others, "todos": [{"content": "…", **todo} for todo in todos]}
        self.path.write_text(json.dumps(state))

    def todo(self, id: str) -> dict[str, Any]:
        todos: list[dict[str, Any]] = json.loads(self.path.read_text())["todos"]
        return next(todo for todo in todos if todo["id"] == id)

    @property
    def board(self) -> taskhost.Board:
        return taskhost.Board(self.path.with_name("state.todo2.json.taskhost"))


@pytest.fixture
def project(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("TODO2_ROOT", raising=False)
    project = Project(elsewhere)
    project.write({"id": "T-1"}, {"id": "T-2"}, {"id": "T-3"}, version="1.2")
    return project


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


_STEPS = ["assigned", "set_meta", "replace_file", "append_context"]


@pytest.mark.parametrize("step", _STEPS)
def test_an_assignment_that_crashes_is_whole_or_undone_and_the_next_one_makes_it_good(
    project: Project, step: str
) -> None:
    # The file was written in place: a crash left half of it, or an assignment of which the other side knew nothing.
    atomic_assign_task("T-1", "bob")
    # With nothing left to agree on, what the child keeps is of its own assignment.
    load_todo2_state()
    child = os.fork()
    if child == 0:
        place: Any = taskhost.Board if step.endswith(("_meta", "_context")) else _todo2
        place = _todo2.StateFile if step == "assigned" else place
        setattr(place, step, lambda *_, **__: os._exit(9))
        atomic_assign_task("T-2", "ada")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    # Somebody edits the file before anybody else comes, and someone takes the other task away on the board.
    state = json.loads(project.path.read_text())
    state["todos"][2]["notes"] = "edited"
    if step != "append_context":
        project.path.write_text(json.dumps(state))
    project.board.unassign("T-1").check()
    todos = {todo["id"]: todo for todo in load_todo2_state()["todos"]}
    assert todos["T-2"]["assignee"]["name"] == "ada"
    assert "assignee" not in todos["T-1"]
    assert atomic_assign_task("T-2", "eve") == (False, "Task already assigned to agent:ada")
    assert atomic_assign_task("T-1", "eve") == (True, None)
    if step != "append_context":
        assert project.todo("T-3")["notes"] == "edited"


# What was kept of the board was gone by while it stayed the same: what an agent did meanwhile was not in the file.
def test_what_agents_do_on_the_board_between_two_assignments_is_in_the_file(
    project: Project,
) -> None:
    atomic_assign_task("T-1", "bob")
    atomic_assign_task("T-2", "bob")
    project.board.update("T-1", add_labels=["urgent"]).check()
    claim = project.board.agent("bob", living=False).claim("T-2")
    assert claim is not None
    claim.complete()
    assert atomic_assign_task("T-3", "ada") == (True, None)
    first, second = project.todo("T-1"), project.todo("T-2")
    assert first["tags"] == ["urgent"] and second["status"].lower() in ("done", "completed")
    assert atomic_assign_task("T-2", "ada")[0] is False


# All that was known of a file was told anew at each assignment: at 10,000 todos, 1.2 MB for one name.
def test_an_assignment_keeps_what_it_changed_and_not_all_there_is(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(*({"id": f"T-{n}"} for n in range(500)))
    for task in ("T-0", "T-1"):
        assert atomic_assign_task(task, "ada") == (True, None)
    told: list[int] = []

    def note(method: Any) -> Any:
        def run(board: taskhost.Board, key: str, value: bytes, **owner: Any) -> None:
            told.append(len(value))
            method(board, key, value, **owner)

        return run

    for name in ("set_context", "append_context"):
        monkeypatch.setattr(taskhost.Board, name, note(getattr(taskhost.Board, name)))
    for n in range(2, 40):
        assert atomic_assign_task(f"T-{n}", "ada") == (True, None)
    assert len(told) == 38
    assert max(told) < project.board.contexts(agent="todo2-file")["known"] / 50


def test_what_is_kept_of_changes_does_not_grow_for_ever(project: Project) -> None:
    for n in range(60):
        assert atomic_assign_task("T-1", "ada") == (True, None)
        project.board.unassign("T-1").check()
        load_todo2_state()
    first_half = project.board.contexts(agent="todo2-file")["known"]
    for n in range(60):
        assert atomic_assign_task("T-1", "ada") == (True, None)
        project.board.unassign("T-1").check()
        load_todo2_state()
    assert project.board.contexts(agent="todo2-file")["known"] < max(2 * first_half, 16_384)
    # And who reads all of it knows the same as who was there: the file and the board agree.
    before = project.board.sequence
    _todo2_seen.take(project.path)
    load_todo2_state()
    assert project.board.sequence == before


def test_what_a_failed_write_left_half_changed_in_memory_is_not_used(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert atomic_assign_task("T-1", "bob") == (True, None)
    load_todo2_state()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(_todo2, "replace_file", full)
        with pytest.raises(OSError, match="No space left"):
            atomic_assign_task("T-2", "ada")
    assert "assignee" not in project.todo("T-2")
    assert atomic_assign_task("T-3", "eve") == (True, None)
    assert project.todo("T-2")["assignee"]["name"] == "ada"
    assert project.todo("T-3")["assignee"]["name"] == "eve"
    assert atomic_assign_task("T-2", "eve") == (False, "Task already assigned to agent:ada")


def test_two_processes_that_take_turns_see_what_the_other_did(project: Project) -> None:
    assert atomic_assign_task("T-1", "ada") == (True, None)
    asked, answers = _processes.Pipe()
    other = _processes.Process(target=_answer, args=(str(project.root), answers))
    other.start()
    try:
        for n in range(6):
            task = ("T-1", "T-3")[n % 2]
            asked.send((task, f"other-{n}"))
            assert asked.recv() is (n == 1)
            # By hand, and on the board, and by the module, in turns.
            state = json.loads(project.path.read_text())
            state["todos"][1]["notes"] = str(n)
            project.path.write_text(json.dumps(state))
            project.board.update("T-2", priority=n).check()
            assert atomic_assign_task(task, "ada")[0] is False
            assert (project.todo("T-2")["notes"], project.board.task("T-2").priority) == (str(n), n)
        assert project.todo("T-3")["assignee"]["name"] == "other-1"
    finally:
        asked.send(None)
        other.join()


def _answer(root: str, asked: Any) -> None:
    while (said := asked.recv()) is not None:
        task, name = said
        asked.send(atomic_assign_task(task, name, root=root)[0])


def test_exceptions_from_here_are_those_of_the_package(project: Project) -> None:
    with state_file_lock():

        def work() -> None:
            with task_lock("T-1", timeout=0):
                pass

        with pytest.raises(taskhost.LockTimeout):
            _elsewhere(work)
