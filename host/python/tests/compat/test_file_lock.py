"""Programs and people that change a Todo2 project's file by themselves: what they save is on the board."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import _project
import pytest

import taskhost
from taskhost.compat.file_lock import (
    Todo2Conflict,
    load_todo2_state,
    save_todo2_state,
    state_file_lock,
    task_lock,
)

_processes = multiprocessing.get_context("spawn")


class Project(_project.Project):
    """A Todo2 project in the current directory, edited by hand."""

    def write(self, *todos: dict[str, Any]) -> None:
        self.path.write_text(json.dumps({"todos": todos}))
        self.agree()

    def agree(self) -> None:
        with state_file_lock():
            pass

    @property
    def todos(self) -> dict[str, dict[str, Any]]:
        return {todo["id"]: todo for todo in json.loads(self.path.read_text())["todos"]}

    def edit(self, id: str, **fields: Any) -> taskhost.Task:
        """Changes a todo behind everybody's back, as an editor does; gives its task after the next lock."""
        self.edit_only(id, **fields)
        self.agree()
        return self.board.task(id)

    def edit_only(self, id: str, **fields: Any) -> None:
        state = json.loads(self.path.read_text())
        next(todo for todo in state["todos"] if todo["id"] == id).update(fields)
        self.path.write_text(json.dumps(state))

    def claim(self, id: str, name: str) -> taskhost.Claim:
        claim = self.board.agent(name, living=False).claim(id)
        assert claim is not None
        return claim


@pytest.fixture
def project(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("TODO2_ROOT", raising=False)
    project = Project(elsewhere)
    project.write(*({"id": id, "content": "…", "status": "Todo"} for id in ("T-1", "T-2", "T-3")))
    return project


def _count(root: str, id: str, times: int) -> None:
    for _ in range(times):
        with task_lock(id, timeout=60, root=root):
            state = load_todo2_state(root=root)
            todo = next(todo for todo in state["todos"] if todo["id"] == id)
            todo["count"] = todo.get("count", 0) + 1
            save_todo2_state(state, root=root)


def test_holders_of_different_task_locks_do_not_overwrite_each_others_state(
    project: Project,
) -> None:
    # Each held the lock of its own task, loaded the whole state, and saved the whole state: one of the two was lost.
    ids = ["T-1", "T-2", "T-3"]
    writers = [_processes.Process(target=_count, args=(str(project.root), id, 3)) for id in ids]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [todo["count"] for todo in project.todos.values()] == [3, 3, 3]
    assert all(task.data["count"] == 3 for task in project.board.list())


def test_nobody_claims_a_task_that_is_locked(project: Project) -> None:
    board = taskhost.Board(project.board.path, timeout=0.01)
    with task_lock("T-1"):
        with pytest.raises(taskhost.LockTimeout):
            board.agent("ada", living=False).claim("T-1")
        assert project.claim("T-2", "ada").id == "T-2"
    assert project.claim("T-1", "ada").id == "T-1"


def test_what_was_assigned_in_the_file_is_reserved_on_the_board(project: Project) -> None:
    with task_lock(task_id="T-1", timeout=5.0):
        state = load_todo2_state()
        state["todos"][0]["assignee"] = {"name": "agent-1", "type": "agent"}
        save_todo2_state(state)
    assert project.board.task("T-1").assignee == taskhost.Assignee("agent-1", by="todo2-file")
    assert project.todos["T-1"]["assignee"] == {"name": "agent-1", "type": "agent"}
    with pytest.raises(taskhost.Taken):
        project.claim("T-1", "ada")


def test_saving_what_was_loaded_without_a_lock_is_refused(project: Project) -> None:
    # What others had saved between the two was lost.
    state = load_todo2_state()
    with pytest.raises(taskhost.UsageError, match="state_file_lock"):
        save_todo2_state(state)


def test_other_fields_of_a_todo_go_to_the_board_and_come_from_there(project: Project) -> None:
    task = project.edit("T-1", priority="high", tags=["b", "a"], notes={"n": 1}, content="new")
    assert (task.priority, task.labels) == (1, ("a", "b"))
    assert (task.data["notes"], task.data["content"]) == ({"n": 1}, "new")
    project.board.update("T-1", priority=-1, data={"content": "theirs", "extra": 2}).check()
    project.agree()
    todo = project.todos["T-1"]
    assert (todo["priority"], todo["tags"], todo["content"]) == ("low", ["b", "a"], "theirs")
    assert todo["extra"] == 2 and "notes" not in todo


def test_each_status_that_is_set_by_hand_is_one_on_the_board(project: Project) -> None:
    for word, status in [
        ("In Progress", "in_progress"),
        ("Blocked", "blocked"),
        ("todo", "pending"),
        ("Cancelled", "cancelled"),
        ("In Progress", "in_progress"),
        ("Failed", "failed"),
        ("Done", "completed"),
    ]:
        task = project.edit("T-1", status=word, assignee={"name": "ann", "type": "human"})
        assert task.status == status, word
        assert project.todos["T-1"]["status"] == word
    assert task.assignee is not None and task.assignee.name == "ann"


def test_what_is_done_by_hand_was_done_by_its_assignee_though_nobody_claimed_it(
    project: Project,
) -> None:
    project.edit("T-1", assignee={"name": "ann", "type": "human"})
    task = project.edit("T-1", status="Done", result={"by": "hand"})
    assert (task.status, task.result, task.attempts) == ("completed", {"by": "hand"}, 1)
    assert project.edit("T-2", status="Done").status == "completed"


def test_a_task_that_is_set_to_done_inside_its_own_lock_is_done_when_it_is_let_go(
    project: Project,
) -> None:
    with task_lock("T-1"):
        state = load_todo2_state()
        state["todos"][0]["status"] = "Done"
        save_todo2_state(state)
        with state_file_lock():
            pass
        assert project.todos["T-1"]["status"] == "Done"
    assert project.board.task("T-1").status == "completed"


def test_what_is_done_before_what_it_waits_for_is_given_to_nobody(project: Project) -> None:
    project.write({"id": "first", "content": "…"}, {"id": "then", "content": "…", "dependencies": ["first"]})
    assert project.edit("then", status="Done").status == "blocked"
    assert project.todos["then"]["status"] == "Done"
    project.agree()
    assert project.todos["then"]["status"] == "Done"
    project.claim("first", "ada").complete()
    project.agree()
    assert project.board.task("then").status == "completed"
    assert project.todos["then"]["status"] == "Done"


def test_what_was_done_is_begun_anew_if_the_file_says_so(project: Project) -> None:
    project.claim("T-1", "ada").complete()
    project.agree()
    assert project.todos["T-1"]["status"] == "Done"
    task = project.edit("T-1", status="Todo", assignee=None)
    assert (task.status, task.assignee) == ("pending", None)


def test_a_task_that_is_taken_from_its_holder_in_the_file_is_the_others(project: Project) -> None:
    # An agent whose task was given away could still complete it.
    claim = project.claim("T-1", "ada")
    project.agree()
    assert project.todos["T-1"]["assignee"] == {"name": "ada", "type": "agent"}
    task = project.edit("T-1", assignee={"name": "bob"})
    assert task.claim is not None and task.claim.agent == "bob"
    with pytest.raises(taskhost.Taken):
        claim.complete()
    task = project.edit("T-1", assignee=None, status="Todo")
    assert (task.status, task.assignee, task.claim) == ("pending", None, None)


def test_where_both_were_changed_the_boards_is_kept_with_a_warning(project: Project) -> None:
    project.board.assign("T-1", "ada").check()
    project.edit_only("T-1", assignee={"name": "bob"}, notes="mine")
    with pytest.warns(Todo2Conflict, match="T-1.*assignee.*bob.*ada"):
        project.agree()
    assert project.todos["T-1"]["assignee"]["name"] == "ada"
    # What only the file changed is taken over all the same.
    assert project.board.task("T-1").data["notes"] == "mine"


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_an_edit_of_something_else_does_not_undo_how_it_ended_on_the_board(
    project: Project, status: str
) -> None:
    # The file still said Todo when a note was written into it, and the whole of it was taken for what is wanted.
    if status == "cancelled":
        project.board.cancel("T-1").check()
    else:
        claim = project.claim("T-1", "ada")
        claim.complete() if status == "completed" else claim.fail("no")
    task = project.edit("T-1", notes="late", assignee={"name": "bob"})
    assert (task.status, task.assignee) == (status, None)
    todo = project.todos["T-1"]
    assert (todo["notes"], todo["assignee"]) == ("late", {"name": "bob"})
    assert todo["status"] == {"completed": "Done", "failed": "Failed"}.get(status, "Cancelled")
    if status != "completed":
        # What could not be told then is told when it is taken up again.
        task = project.edit("T-1", status="Todo")
        assert task.assignee is not None and (task.assignee.name, task.data["notes"]) == ("bob", "late")


def test_todos_that_appear_are_added_and_those_that_vanish_are_archived(project: Project) -> None:
    state = json.loads(project.path.read_text())
    project.claim("T-1", "ada")
    state["todos"] = [state["todos"][1], {"id": "T-4", "content": "…", "dependencies": ["T-2"]}]
    project.path.write_text(json.dumps(state))
    project.agree()
    assert {task.id: task.after for task in project.board.list()} == {"T-2": (), "T-4": ("T-2",)}
    project.board.add("todo", id="born-here", data={"content": "by an agent"})
    project.agree()
    assert project.todos["born-here"]["content"] == "by an agent"
    # It is wanted again.
    state["todos"].append({"id": "T-1", "content": "again"})
    project.path.write_text(json.dumps(state))
    project.agree()
    assert project.board.task("T-1").status == "pending"
    assert "born-here" not in project.todos


def test_what_vanishes_while_something_below_it_is_open_stays_away_from_the_file(
    project: Project,
) -> None:
    project.write({"id": "top", "content": "…"}, {"id": "below", "content": "…", "parent_id": "top"})
    state = json.loads(project.path.read_text())
    project.path.write_text(json.dumps({"todos": state["todos"][1:]}))
    project.agree()
    assert list(project.todos) == ["below"] and project.board.task("top").status == "cancelled"
    # To archive the one would archive the other.
    project.claim("below", "ada").complete()
    project.agree()
    assert project.todos["below"]["status"] == "Done"
    project.path.write_text(json.dumps({"todos": []}))
    project.agree()
    assert project.board.list().total == 0


def test_what_was_done_with_others_below_it_is_not_begun_anew(project: Project) -> None:
    project.write({"id": "top", "status": "Done"}, {"id": "below", "status": "Done", "parent_id": "top"})
    project.edit_only("top", status="Todo")
    with pytest.warns(taskhost.NotMapped, match="add another todo"):
        project.agree()
    assert project.board.task("top").status == "completed"
    assert project.todos["top"]["status"] == "Todo" and "below" in project.todos


def test_a_circle_that_somebody_wrote_keeps_nobody_from_working(project: Project) -> None:
    project.write({"id": "a", "dependencies": ["b"]}, {"id": "b", "dependencies": ["c"]}, {"id": "c"})
    state = json.loads(project.path.read_text())
    state["todos"][2:] = [{"id": "c", "dependencies": ["d"]}, {"id": "d", "dependencies": ["a"]}]
    project.path.write_text(json.dumps(state))
    with pytest.warns(taskhost.NotMapped):
        project.agree()
    assert {task.id for task in project.board.list()} == {"a", "b", "c", "d"}
    assert project.todos["d"]["dependencies"] == ["a"]


def test_what_a_board_cannot_say_stays_in_the_file_with_a_warning(project: Project) -> None:
    project.edit_only("T-1", dependencies=["T-2"])
    with pytest.warns(taskhost.NotMapped, match="T-1.*keeps it for life"):
        project.agree()
    assert project.edit("T-2", status="In Review").status == "blocked"
    assert project.edit("T-3", status="icebox").status == "blocked"
    todos = project.todos
    assert todos["T-1"]["dependencies"] == ["T-2"]
    assert (todos["T-2"]["status"], todos["T-3"]["status"]) == ("In Review", "icebox")


def test_a_file_that_says_the_same_is_not_written(project: Project) -> None:
    project.path.write_text(json.dumps(json.loads(project.path.read_text()), indent=7))
    before = project.path.stat()
    project.agree()
    load_todo2_state()
    after = project.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_was_saved_before_an_exception_stays_saved(project: Project) -> None:
    with pytest.raises(KeyError), task_lock("T-1"):
        state = load_todo2_state()
        state["todos"][0]["assignee"] = {"name": "ada"}
        save_todo2_state(state)
        raise KeyError
    assert project.board.task("T-1").assignee is not None


_SAVE_AND_DIE = """
import os
from taskhost.compat.file_lock import load_todo2_state, save_todo2_state, task_lock

with task_lock("T-1"):
    state = load_todo2_state()
    state["todos"][0]["assignee"] = {"name": "ada"}
    save_todo2_state(state)
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_program_saved_is_on_the_board_after_the_next_lock(project: Project) -> None:
    assert subprocess.run([sys.executable, "-c", _SAVE_AND_DIE], check=False).returncode == -9
    project.agree()
    assert project.board.task("T-1").assignee is not None


@pytest.mark.parametrize("command", ["retry", "unassign", "assign", "release_by_force"])
def test_a_change_that_crashes_between_its_steps_is_made_good_by_the_next(
    project: Project, command: str
) -> None:
    project.edit("T-1", status="In Progress", assignee={"name": "ada"})
    project.edit("T-2", status="Failed")
    project.edit_only("T-1", assignee={"name": "bob"}, status="Done")
    project.edit_only("T-2", status="Done")
    child = os.fork()
    if child == 0:
        # After what it does, before anybody is told.
        real = getattr(taskhost.Board, command)
        setattr(taskhost.Board, command, lambda *a, **k: (real(*a, **k), os._exit(9)))
        project.agree()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    project.agree()
    first, second = project.board.task("T-1"), project.board.task("T-2")
    assert (first.status, second.status) == ("completed", "completed")
    assert first.assignee is not None and first.assignee.name == "bob"
    assert [project.todos[id]["status"] for id in ("T-1", "T-2")] == ["Done", "Done"]


def test_a_file_that_is_gone_is_nobodys_wish(project: Project) -> None:
    project.path.unlink()
    with task_lock("T-1"), state_file_lock():
        assert load_todo2_state() == {"todos": []}
    assert len(project.board.list()) == 3 and not project.path.exists()


def test_a_damaged_file_can_be_locked_and_mended(project: Project) -> None:
    project.path.write_text("{")
    with pytest.warns(UserWarning, match="broken at line 1"), state_file_lock():
        save_todo2_state({"todos": [{"id": "T-1", "content": "…", "status": "Done"}]})
    assert [task.status for task in project.board.list()] == ["completed"]


def test_locks_wait_no_longer_than_told_and_have_no_part_in_forked_children(
    project: Project,
) -> None:
    with state_file_lock(), task_lock("T-1"):
        child = os.fork()
        if child == 0:
            try:
                with task_lock("T-1", timeout=0):
                    os._exit(1)
            except taskhost.LockTimeout:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        timed_out: list[bool] = []

        def try_once() -> None:
            try:
                with state_file_lock(timeout=0.01):
                    pass
            except TimeoutError:
                timed_out.append(True)

        thread = threading.Thread(target=try_once)
        thread.start()
        thread.join()
        assert timed_out == [True]


def test_the_lock_file_is_the_same_for_good(project: Project) -> None:
    # A lock file that was cleaned up was held by one who waited for it, and made anew by another: two holders.
    lock = project.path.with_name("state.todo2.json.lock")
    before = lock.stat().st_ino
    with task_lock("T-1"):
        pass
    assert lock.stat().st_ino == before
