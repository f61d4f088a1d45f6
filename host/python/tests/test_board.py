"""What a board does for Python."""

from __future__ import annotations

import gc
import json
import os
import pickle
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import taskhost
from taskhost.command import find_command


def test_task_is_read_as_it_was_added(board: taskhost.Board) -> None:
    later = datetime.now(timezone.utc) + timedelta(days=1)
    board.add("design", id="first")
    task = board.add(
        "build",
        id="second",
        parent="first",
        after=["first"],
        priority=3,
        labels=["b", "a"],
        needs=["cuda"],
        assignee=taskhost.Assignee("ada", kind="human", hostname="h", by="lead"),
        data={"nested": [1, 2.5, None, "ü", 12345678901234567890]},
        key="k",
        not_before=later,
    )
    assert (task.id, task.type, task.status, task.parent) == ("second", "build", "pending", "first")
    assert task.after == ("first",)
    assert (task.priority, task.labels, task.needs) == (3, ("a", "b"), ("cuda",))
    assert task.assignee == taskhost.Assignee("ada", "human", "h", "lead")
    assert task.data == {"nested": [1, 2.5, None, "ü", 12345678901234567890]}
    assert task.not_before is not None and abs(task.not_before - later) < timedelta(milliseconds=1)
    assert task.created_at.tzinfo is not None
    assert board.task("second") == task
    assert json.loads(json.dumps(task.as_dict())) == task.as_dict()


def test_request_that_is_repeated_with_its_key_is_answered_the_same(board: taskhost.Board) -> None:
    first = board.add("build", key="k")
    assert board.add("build", key="k").id == first.id
    with pytest.raises(taskhost.Invalid) as error:
        board.add("other", key="k")
    assert error.value.code == "key_reused"
    agent = board.agent("ada")
    claims = [agent.claim(key="c") for _ in range(2)]
    assert [claim.token for claim in claims if claim is not None] == [1, 1]


def test_board_that_was_moved_says_where_it_is_and_goes_on_there(
    board: taskhost.Board, tmp_path: Path
) -> None:
    board.add("build", id="held")
    claim = board.agent("ada").claim()
    assert claim is not None
    place = board.migrate(tmp_path / "moved")
    with pytest.raises(taskhost.Moved) as error:
        claim.complete()
    assert error.value.address == place == str(tmp_path / "moved")
    there = taskhost.Board(place)
    there.complete("held", agent="ada", token=claim.token)
    assert there.task("held").status == "completed"
    assert board.task("held").status == "in_progress"


def test_claim_that_is_left_by_an_exception_has_failed_and_by_an_interruption_is_handed_back(
    board: taskhost.Board,
) -> None:
    for task in ("fails", "stops", "ends"):
        board.add("t", id=task)
    agent = board.agent("ada")
    with pytest.raises(ValueError, match="no such crate"):
        with _claim(agent, "fails"):
            raise ValueError("no such crate")
    with pytest.raises(KeyboardInterrupt):
        with _claim(agent, "stops"):
            raise KeyboardInterrupt
    with _claim(agent, "ends") as claim:
        claim.result = {"n": 1}
    failed, stopped, ended = (board.task(task) for task in ("fails", "stops", "ends"))
    assert (failed.status, failed.error) == ("failed", "ValueError: no such crate")
    assert (stopped.status, stopped.attempts) == ("pending", 0)
    assert (ended.status, ended.result) == ("completed", {"n": 1})


def test_holder_that_was_robbed_changes_nothing_and_is_told(board: taskhost.Board) -> None:
    board.add("t", id="t")
    late = _claim(board.agent("ada"), "t")
    board.release_by_force("t", by="operator").check()
    current = _claim(board.agent("ada"), "t")
    with pytest.raises(taskhost.Taken) as error:
        late.complete()
    assert error.value.is_stale and error.value.holder == "ada"
    with pytest.raises(taskhost.Taken):
        with late:
            pass
    assert board.task("t").claim is not None
    current.complete()


def test_heartbeats_go_on_inside_a_with_statement(board: taskhost.Board) -> None:
    board.add("t", id="t")
    claim = board.agent("ada", living=False).claim("t", lease=0.3)
    assert claim is not None
    other = board.agent("bob")
    with claim:
        # Longer than the lease: were it not extended, somebody else would get the task.
        assert other.claim(wait=1.0) is None
        assert not claim.lost.is_set()
    assert board.task("t").status == "completed"


def test_nothing_to_claim_says_why(board: taskhost.Board) -> None:
    agent = board.agent("ada")
    empty = agent.claim_or_why()
    assert not empty and isinstance(empty, taskhost.Nothing) and empty.reason == "empty"
    board.add("a", id="a")
    board.add("b", after=["a"])
    _claim(agent, "a")
    waiting = board.agent("bob").claim_or_why()
    assert isinstance(waiting, taskhost.Nothing) and waiting.reason == "waiting"
    assert waiting.next_ready_at is not None
    no_match = agent.claim_or_why(types="c")
    assert isinstance(no_match, taskhost.Nothing)


def test_who_waits_is_woken(board: taskhost.Board) -> None:
    import threading

    claimed: list[taskhost.Claim | None] = []
    agent = board.agent("ada")
    waiter = threading.Thread(target=lambda: claimed.append(agent.claim(wait=60)))
    waiter.start()
    board.add("t", id="t")
    waiter.join(timeout=30)
    assert [claim.id for claim in claimed if claim is not None] == ["t"]


def test_what_happens_between_a_look_and_the_sleep_is_not_slept_through(
    board: taskhost.Board,
) -> None:
    seen = board.sequence
    assert not board.wait(0.01, past=seen)
    board.add("t")
    assert board.wait(60, past=seen)
    assert board.sequence != seen and not board.wait(0.01)


def test_living_agent_that_is_closed_hands_back_what_it_holds(board: taskhost.Board) -> None:
    board.add("t", id="t")
    with board.agent("ada") as agent:
        assert agent.claim() is not None
        assert [claim.id for claim in agent.held()] == ["t"]
    with pytest.raises(taskhost.UsageError, match="closed"):
        agent.claim()
    assert board.agent("bob").claim("t", wait=10) is not None


# A claim of an agent that the program hadn't kept was taken back while its task was being worked on, at whatever time
# Python collected its garbage.
def test_claim_keeps_its_agent_alive_and_without_both_the_task_comes_back(
    board: taskhost.Board,
) -> None:
    board.add("t", id="t")
    claim: taskhost.Claim | None = _claim(board.agent("ada"), "t")
    gc.collect()
    assert board.agent("bob").claim() is None
    assert claim is not None
    del claim
    assert board.agent("bob").claim("t", wait=10) is not None


def test_lists_say_how_many_there_are(board: taskhost.Board) -> None:
    board.add_all({"type": "t", "id": f"t{n}"} for n in range(120))
    page = board.list()
    assert (len(page), page.total) == (50, 120)
    rest = board.list(cursor=page.next_cursor, limit=None)
    assert [task.id for task in page] + [task.id for task in rest] == [f"t{n}" for n in range(120)]
    assert len(list(board.tasks(type="t"))) == 120
    assert board.list(status=["completed", "failed"]).total == 0
    counts = board.counts()
    assert (counts.total, counts.ready, counts.by_status["pending"]) == (120, 120, 120)
    assert board.census()["t"]["pending"] == 120 and board.census()["t"]["failed"] == 0


def test_changes_say_what_became_of_each(board: taskhost.Board) -> None:
    board.add_all([{"type": "t", "id": "a"}, {"type": "t", "id": "b"}])
    changed = board.assign(["a", "nosuch"], "zoe", by="lead")
    assert changed.done == ("a",) and isinstance(changed.failed["nosuch"], taskhost.NotFound)
    with pytest.raises(taskhost.NotFound):
        changed.check()
    with pytest.raises(taskhost.NotFound):
        board.assign(["b", "nosuch"], "zoe", all_or_nothing=True)
    assert board.task("b").assignee is None
    with pytest.raises(taskhost.Taken) as error:
        board.agent("ada").claim("a")
    assert error.value.code == "reserved" and error.value.holder == "zoe"
    board.unassign("a").check()
    board.update("a", priority=4, add_labels=["x"], data=None).check()
    board.block("a", reason="why?").check()
    assert (board.task("a").status, board.task("a").reason) == ("blocked", "why?")
    board.unblock("a", reason="because").check()
    board.cancel(["a", "b"], reason="done elsewhere").check()
    board.retry("b").check()
    assert board.task("b").status == "pending"
    board.archive("a").check()
    with pytest.raises(taskhost.NotFound):
        board.task("a")


def test_metadata_and_large_values_are_kept(board: taskhost.Board) -> None:
    board.set_meta("env", {"a": [1]})
    with pytest.raises(taskhost.Invalid):
        board.set_meta("env", 2, expected=1)
    board.set_meta("env", 2, expected={"a": [1]})
    assert board.meta() == {"env": 2}
    board.add("t", id="t")
    board.set_context("log", b"a\x00", task="t")
    board.append_context("log", b"b", task="t")
    board.set_context("log", b"x", agent="ada")
    assert board.context("log", task="t") == b"a\x00b"
    assert board.contexts(task="t") == {"log": 3}
    assert sorted(board.context_owners()) == [("agent", "ada"), ("task", "t")]
    assert board.remove_context("log", task="t") and not board.remove_context("log", task="t")
    assert board.context("log", task="t") is None


def test_locks_by_hand_are_locks(board: taskhost.Board, tmp_path: Path) -> None:
    board.add("t", id="t")
    with board.lock_task("t", who="me"):
        with pytest.raises(taskhost.LockTimeout) as error:
            taskhost.Board(board.path, timeout=0.1).agent("ada").claim("t")
        assert isinstance(error.value, TimeoutError) and error.value.retryable
    with board.lock(who="me"):
        with pytest.raises(taskhost.LockTimeout):
            taskhost.Board(board.path, timeout=0.1).add("t")
    lock = taskhost.FileLock(tmp_path / "any.lock")
    with lock.acquire():
        with pytest.raises(taskhost.LockTimeout):
            taskhost.FileLock(tmp_path / "any.lock").acquire(timeout=0.05)
    # One who gave up may have it for a moment still, so it is not enough to try once.
    with lock.acquire():
        pass
    with pytest.raises(FileNotFoundError):
        taskhost.FileLock(tmp_path / "no" / "any.lock").acquire()


def test_mistakes_are_told(board: taskhost.Board, tmp_path: Path) -> None:
    with pytest.raises(taskhost.NotFound, match="taskhost init"):
        taskhost.Board(tmp_path / "nowhere")
    with pytest.raises(taskhost.UsageError):
        board.add("t", id="../escape")
    with pytest.raises(taskhost.UsageError, match="seconds"):
        board.agent("ada").claim(wait=-1)
    with pytest.raises(ValueError):
        board.add("t", data=float("nan"))
    with pytest.raises(taskhost.UsageError, match="no status"):
        board.list(status="done")
    with pytest.raises(taskhost.Invalid):
        board.add_all([{"type": "t", "id": "a", "after": ["b"]}, {"type": "t", "id": "b", "after": ["a"]}])
    with pytest.raises(taskhost.Invalid):
        taskhost.Board.init(board.path)
    assert taskhost.Board.init(board.path, exist_ok=True).counts().total == 0


def test_exceptions_cross_processes(board: taskhost.Board) -> None:
    with pytest.raises(taskhost.NotFound) as error:
        board.task("nosuch")
    copy = pickle.loads(pickle.dumps(error.value))
    assert (type(copy), str(copy), copy.code, copy.details) == (
        taskhost.NotFound,
        str(error.value),
        "no_such_task",
        {"task": "nosuch"},
    )


def test_command_comes_along_and_sees_the_same_board(board: taskhost.Board) -> None:
    board.add("t", id="t", data={"a": 1})
    claim = _claim(board.agent("ada"), "t")
    shown = subprocess.run(
        [find_command(), "--board", os.fspath(board), "--json", "show", "t"],
        check=True,
        capture_output=True,
    )
    assert json.loads(shown.stdout)["task"]["claim"]["token"] == claim.token
    versions = subprocess.run([find_command(), "--version"], capture_output=True, text=True)
    assert taskhost.__version__ in versions.stdout


def _claim(agent: taskhost.Agent, task: str) -> taskhost.Claim:
    claim = agent.claim(task)
    assert claim is not None
    return claim


# An address went through `Path`, which makes one slash of two: a directory `postgres:` was made.
def test_an_address_stays_one_and_shows_no_password(elsewhere: Path) -> None:
    # Nobody listens on this port.
    address = "postgres://ada:secret@127.0.0.1:1/work?board=nightly"
    for begin in (taskhost.Board, taskhost.Board.init):
        with pytest.raises(taskhost.TaskhostError) as raised:
            begin(address, timeout=0.2)
        assert "secret" not in str(raised.value) + repr(raised.value.details)
    assert not list(elsewhere.iterdir())
    board = taskhost.Board.init("work")
    assert (board.address, board.path, repr(board)) == ("work", Path("work"), "Board('work')")
