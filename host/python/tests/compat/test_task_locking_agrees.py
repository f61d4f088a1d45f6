"""The Todo2 file and the board beside it say the same, whatever crashes, and whoever else changes one of them."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from _project import Project, project

import taskhost
from taskhost.compat import _todo2, _todo2_seen
from taskhost.compat._todo2_memory import Memory
from taskhost.compat.file_lock import (
    load_todo2_state,
    save_todo2_state,
    state_file_lock,
    task_lock,
)
from taskhost.compat.task_locking import atomic_assign_task, atomic_batch_assign

__all__ = ["project"]

_processes = multiprocessing.get_context("spawn")

_STEPS = ["assigned", "announce", "replace_file", "keep"]


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
        places: dict[str, Any] = {"assigned": _todo2.StateFile, "replace_file": _todo2}
        setattr(places.get(step, Memory), step, lambda *_, **__: os._exit(9))
        atomic_assign_task("T-2", "ada")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    # Somebody edits the file before anybody else comes, and someone takes the other task away on the board.
    state = json.loads(project.path.read_text())
    state["todos"][2]["notes"] = "edited"
    if step != "keep":
        project.path.write_text(json.dumps(state))
    project.board.unassign("T-1").check()
    todos = {todo["id"]: todo for todo in load_todo2_state()["todos"]}
    assert todos["T-2"]["assignee"]["name"] == "ada"
    assert "assignee" not in todos["T-1"]
    assert atomic_assign_task("T-2", "eve") == (False, "Task already assigned to agent:ada")
    assert atomic_assign_task("T-1", "eve") == (True, None)
    if step != "keep":
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
    # What will be, and that it is.
    assert len(told) == 2 * 38
    assert max(told) < project.board.contexts(agent="todo2-file")["known"] / 50


def test_what_is_kept_of_changes_does_not_grow_for_ever(project: Project) -> None:
    def kept() -> int:
        return sum(project.board.contexts(agent="todo2-file").values())

    def go_to_and_fro() -> None:
        for _ in range(60):
            assert atomic_assign_task("T-1", "ada") == (True, None)
            project.board.unassign("T-1").check()
            load_todo2_state()

    go_to_and_fro()
    at_first = kept()
    go_to_and_fro()
    assert kept() < max(2 * at_first, 16_384)
    # And who reads all of it knows the same as who was there: the file and the board agree.
    before = project.board.sequence
    _todo2_seen.take(project.path.with_name(project.path.name + ".lock"))
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


# The digest of the file that was written last stayed on the board: a file that was put back to it was taken for one
# that a crash had left, and what was restored was removed again, without a word.
def test_a_todo_that_is_restored_from_a_copy_is_there_again(project: Project) -> None:
    project.write({"id": "T-1"}, {"id": "T-2"}, {"id": "T-3", "notes": "two hours of writing"})
    assert atomic_assign_task("T-1", "ada") == (True, None)
    copy = project.path.read_bytes()
    state = json.loads(copy)
    del state["todos"][2]
    project.path.write_text(json.dumps(state))
    for _ in range(2):
        assert len(load_todo2_state()["todos"]) == 2
    project.path.write_bytes(copy)
    assert [todo["id"] for todo in load_todo2_state()["todos"]] == ["T-1", "T-2", "T-3"]
    assert atomic_assign_task("T-3", "bob") == (True, None)
    assert project.todo("T-3")["notes"] == "two hours of writing"


def test_a_field_that_is_set_back_to_what_it_was_stays_so(project: Project) -> None:
    project.path.write_text(
        json.dumps({"todos": [{"id": "T-1", "notes": "a"}, {"id": "T-2"}]}, indent=2) + "\n"
    )
    assert atomic_assign_task("T-2", "ada") == (True, None)
    for text in ("b", "a"):
        with task_lock("T-1"):
            state = load_todo2_state()
            state["todos"][0]["notes"] = text
            save_todo2_state(state)
        assert project.todo("T-1")["notes"] == text
        assert project.board.task("T-1").data["notes"] == text


# What was known was made of the file alone: what had been removed came back, and what waited was forgotten. And what was
# parked on the board on its way to `Done` was taken for somebody else's doing.
@pytest.mark.parametrize("step", ["announce", "keep"])
def test_what_is_removed_or_waits_outlives_a_crash_around_the_files_replacement(
    project: Project, step: str
) -> None:
    project.write(
        {"id": "T-1"},
        {"id": "T-2", "dependencies": ["T-1"]},
        {"id": "T-3"},
        {"id": "T-4"},
        {"id": "T-5", "dependencies": ["T-4"]},
    )
    for _ in range(2):
        load_todo2_state()
    state = json.loads(project.path.read_text())
    # T-1 can't be archived while T-2 waits for it, nor T-5 be completed before T-4.
    del state["todos"][0]
    state["todos"][3]["status"] = "Done"
    project.path.write_text(json.dumps(state))
    project.board.update("T-3", priority=1).check()
    child = os.fork()
    if child == 0:
        setattr(Memory, step, lambda *_: os._exit(9))
        load_todo2_state()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    todos = {todo["id"]: todo for todo in load_todo2_state()["todos"]}
    assert sorted(todos) == ["T-2", "T-3", "T-4", "T-5"]
    assert todos["T-5"]["status"] == "Done"
    claim = project.board.agent("ada", living=False).claim("T-4")
    assert claim is not None
    claim.complete()
    load_todo2_state()
    assert project.board.task("T-5").status == "completed"


# A child that left the `with` statement of its parent brought the file and the board together, without the lock.
def test_a_forked_child_that_leaves_a_lock_of_its_parent_changes_nothing(project: Project) -> None:
    project.write({"id": "T-1", "status": "Todo"}, {"id": "T-2"}, {"id": "T-3"})
    for _ in range(2):
        load_todo2_state()
    with ExitStack() as held:
        held.enter_context(state_file_lock())
        state = load_todo2_state()
        claim = project.board.agent("ada", living=False).claim("T-1")
        assert claim is not None
        claim.complete({"ok": 1})
        before = project.path.read_bytes()
        child = os.fork()
        if child == 0:
            try:
                held.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert project.path.read_bytes() == before
        state["todos"][2]["notes"] = "n"
        save_todo2_state(state)
    assert project.todo("T-1")["status"] == "Done"
    assert project.board.task("T-1").status == "completed"
    assert project.todo("T-3")["notes"] == "n"


# A handle was opened anew only if nothing stood in its place: those of other timeouts stayed with the old board.
def test_a_board_that_was_removed_or_put_back_is_the_one_that_is_used(project: Project) -> None:
    board = project.path.with_name(project.path.name + ".taskhost")
    load_todo2_state()
    assert atomic_assign_task("T-1", "ada") == (True, None)
    shutil.copytree(board, project.root / "copy")
    assert atomic_assign_task("T-2", "bob") == (True, None)
    shutil.rmtree(board)
    (project.root / "copy").rename(board)
    assert atomic_assign_task("T-3", "eve") == (True, None)
    # The file says so, and the older board is told.
    assert atomic_assign_task("T-2", "eve") == (False, "Task already assigned to agent:bob")
    shutil.rmtree(board)
    refused = atomic_batch_assign(["T-2"], "eve")["failed"]
    assert refused == [{"task_id": "T-2", "reason": "Task already assigned to agent:bob"}]
    assert project.board.task("T-1").assignee is not None
    assert len(load_todo2_state()["todos"]) == 3


# What was seen before a task's lock was waited for was written over what others had done meanwhile.
@pytest.mark.parametrize("is_archived", [False, True])
def test_what_others_do_while_a_nested_lock_is_waited_for_is_seen(
    project: Project, is_archived: bool
) -> None:
    for _ in range(2):
        load_todo2_state()
    held = project.board.lock_task("T-1", timeout=1)

    def work() -> None:
        time.sleep(0.5)
        if is_archived:
            project.board.cancel("T-1").check()
            project.board.archive("T-1").check()
        else:
            state = json.loads(project.path.read_text())
            state["todos"][1]["notes"] = "by hand"
            project.path.write_text(json.dumps(state))
        held.release()

    other = threading.Thread(target=work)
    with state_file_lock():
        other.start()
        answer = atomic_assign_task("T-1", "ada", timeout=30)
    other.join()
    if is_archived:
        assert answer == (False, "Task not found")
    else:
        assert answer == (True, None)
        assert project.todo("T-2")["notes"] == "by hand"


def test_a_project_that_is_reached_through_a_link_is_the_same(
    project: Project, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(project.root)
    with task_lock("T-1", root=link):
        assert atomic_assign_task("T-1", "ada", root=project.root, timeout=0) == (True, None)
    assert project.todo("T-1")["assignee"]["name"] == "ada"


# Each id that somebody mistyped left a lock file on the board.
def test_tasks_that_are_not_there_leave_nothing(project: Project) -> None:
    def files() -> int:
        return sum(len(names) for _, _, names in os.walk(project.board.path))

    load_todo2_state()
    before = files()
    for n in range(5):
        assert atomic_assign_task(f"nope-{n}", "ada") == (False, "Task not found")
    failed = atomic_batch_assign(["T-1", "nope"], "ada")["failed"]
    assert [each["reason"] for each in failed] == [
        "Not assigned, because nope can't be",
        "Task not found",
    ]
    assert files() == before


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
