"""Who holds a task of a ``TaskManager``, for how long, and who doesn't any more."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import taskhost
from _manager import FORK, SPAWN, found, given, take_away
from taskhost.compat.task_manager import TaskManager, TaskStatus


@pytest.fixture
def tm(tmp_path: Path) -> TaskManager:
    return TaskManager(tmp_path / "states" / "work.json")


# One task, one holder


def _claim_at_once(state_file: Path, barrier: Any, gone: Any, agent: str) -> None:
    tm = TaskManager(state_file)
    barrier.wait(30)
    task = tm.get_next_task(agent)
    gone.put((agent, task and task["id"]))


def test_one_of_many_claimers_wins(tm: TaskManager) -> None:
    # "Task assignment is atomic": here of processes that ask at one moment.
    id = tm.create_task("analyze")
    barrier, gone = FORK.Barrier(8), FORK.Queue()
    names = [f"worker-{n}" for n in range(8)]
    args = (tm.state_file, barrier, gone)
    workers = [FORK.Process(target=_claim_at_once, args=(*args, name)) for name in names]
    for worker in workers:
        worker.start()
    answers = dict(gone.get(timeout=30) for _ in workers)
    for worker in workers:
        worker.join(30)
    winners = [name for name, task in answers.items() if task is not None]
    assert [answers[name] for name in winners] == [id]
    assert found(tm, id)["locked_by"] == winners[0]


def _work(tm: TaskManager, agent: str, gone: Any) -> None:
    done = []
    while task := tm.get_next_task(agent):
        assert tm.complete_task(task["id"], agent, result_data={"by": agent})
        done.append(task["id"])
    gone.put(done)


def _work_in_threads(tm: TaskManager, name: str, gone: Any) -> None:
    threads = [
        threading.Thread(target=_work, args=(tm, f"{name}-{n}", gone)) for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("context", [FORK, SPAWN], ids=["fork", "spawn"])
def test_threads_of_many_processes_do_each_task_once(tm: TaskManager, context: Any) -> None:
    # The manager itself is handed over: forked, or pickled for a fresh interpreter, as one that had only a path and
    # two numbers could be.
    ids = [tm.create_task("analyze", {"n": n}) for n in range(40)]
    gone = context.Queue()
    workers = [
        context.Process(target=_work_in_threads, args=(tm, f"worker-{n}", gone)) for n in range(3)
    ]
    for worker in workers:
        worker.start()
    done = [id for _ in range(2 * len(workers)) for id in gone.get(timeout=60)]
    for worker in workers:
        worker.join(30)
    assert sorted(done) == sorted(ids)
    assert tm.get_status_summary()["status_counts"]["completed"] == len(ids)


def test_one_agent_gets_a_task_and_completes_it_in_another_process(tm: TaskManager) -> None:
    id = tm.create_task("analyze")
    given(tm, "ada")

    def complete() -> None:
        done = TaskManager(tm.state_file).complete_task(id, "ada", result_data={"rows": 3})
        os._exit(0 if done else 1)

    child = FORK.Process(target=complete)
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert found(tm, id)["result"] == {"rows": 3}


# Late holders


@pytest.mark.parametrize(
    "late",
    [
        lambda tm, id: tm.complete_task(id, "ada", result_data={"late": True}),
        lambda tm, id: tm.complete_task(id, "ada", TaskStatus.FAILED),
        lambda tm, id: tm.complete_task(id, "ada", TaskStatus.CANCELLED),
        lambda tm, id: tm.release_task(id, "ada"),
        lambda tm, id: tm.heartbeat(id, "ada"),
    ],
    ids=["complete", "fail", "cancel", "release", "heartbeat"],
)
@pytest.mark.parametrize("new", ["bob", "ada"])
def test_a_late_holder_changes_nothing(
    tm: TaskManager, late: Callable[[TaskManager, str], bool], new: str
) -> None:
    # Nothing was fenced: an agent whose task had been given away could still complete it, and one restarted under
    # the same name couldn't be told from the one before.
    id = tm.create_task("analyze")
    given(tm, "ada")
    take_away(tm, id)
    now = given(TaskManager(tm.state_file), new)
    assert (now["id"], now["locked_by"]) == (id, new)
    assert late(tm, id) is False
    assert found(tm, id) == now


def test_a_late_thread_of_the_same_name_and_manager_changes_nothing(tm: TaskManager) -> None:
    # A pool whose threads share one manager and one name: the one that was too slow doesn't end the other's claim.
    id = tm.create_task("analyze")
    given(tm, "ada")
    take_away(tm, id)
    taken, done = threading.Event(), threading.Event()

    def other() -> bool:
        assert given(tm, "ada")["id"] == id
        taken.set()
        done.wait(30)
        return tm.complete_task(id, "ada", result_data={"by": "the other"})

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(other)
        assert taken.wait(30)
        late = tm.complete_task(id, "ada", result_data={"by": "the late one"})
        late |= tm.release_task(id, "ada")
        done.set()
        assert answer.result(30) and not late
    assert found(tm, id)["result"] == {"by": "the other"}


def test_a_late_holder_doesnt_repeat_into_a_new_claim(tm: TaskManager) -> None:
    # It failed; somebody wanted it done after all, and another one of the name is at it.
    id = tm.create_task("analyze")
    given(tm, "ada")
    assert tm.complete_task(id, "ada", TaskStatus.FAILED)
    tm.board.retry(id).check()
    now = given(TaskManager(tm.state_file), "ada")
    assert not tm.complete_task(id, "ada", TaskStatus.FAILED)
    assert found(tm, id) == now


def test_what_one_thread_got_another_may_complete(tm: TaskManager) -> None:
    id = tm.create_task("analyze")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(given, tm, "ada").result(30)["id"] == id
    assert tm.complete_task(id, "ada")


# The time of a task


def test_a_task_comes_back_when_its_time_is_over_without_end(tmp_path: Path) -> None:
    # Only age was looked at, by whoever asked next. And tasks were handed out again without end, where a board would
    # give up after five lost attempts.
    tm = TaskManager(tmp_path / "work.json", task_timeout_hours=0.02 / 3600)
    id = tm.create_task("analyze")
    given(tm, "ada")
    for turn in range(7):
        agent = tm.board.agent(f"bob-{turn}", living=False)
        claim = agent.claim(wait=30, lease=0.02)
        assert claim is not None and claim.id == id
    assert not tm.complete_task(id, "ada")


def test_a_heartbeat_begins_a_tasks_time_anew(tmp_path: Path) -> None:
    # A living agent that was slow was robbed after a day.
    short = TaskManager(tmp_path / "work.json", task_timeout_hours=0.2 / 3600)
    long = TaskManager(tmp_path / "work.json", task_timeout_hours=2)
    id = short.create_task("analyze")
    given(short, "ada")
    assert long.heartbeat(id, "ada")
    claim = long.board.task(id).claim
    assert claim is not None
    assert claim.lease_until - claim.since > timedelta(hours=1.9)
    assert long.board.agent("bob").claim(wait=0.3) is None
    assert short.complete_task(id, "ada")
    assert not short.heartbeat(id, "ada")


def _get_and_die(tm: TaskManager, gone: Any) -> None:
    gone.send(given(tm, "ada")["id"])
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("living", [True, False])
def test_what_the_dead_held_comes_back_at_once_if_it_was_living(
    tmp_path: Path, living: bool
) -> None:
    # A dead worker's task waited a day.
    tm = TaskManager(tmp_path / "work.json", living=living)
    id = tm.create_task("analyze")
    mine, theirs = FORK.Pipe()
    worker = FORK.Process(target=_get_and_die, args=(tm, theirs))
    worker.start()
    assert mine.poll(30) and mine.recv() == id
    worker.join(30)
    task = tm.get_next_task("bob")
    assert (task and task["id"]) == (id if living else None)
    # And what was answered before the end is there.
    assert found(tm, id)["locked_by"] == ("bob" if living else "ada")


def test_what_a_living_manager_got_outlives_the_manager(tmp_path: Path) -> None:
    state_file = tmp_path / "work.json"
    id = TaskManager(state_file).create_task("analyze")
    assert given(TaskManager(state_file, living=True), "ada")["id"] == id
    tm = TaskManager(state_file)
    assert tm.get_next_task("bob") is None
    assert tm.complete_task(id, "ada")


@pytest.mark.parametrize("hours", [0, -1, 721, float("nan"), float("inf")])
def test_a_time_that_cannot_be_kept_is_refused(tmp_path: Path, hours: float) -> None:
    with pytest.raises(ValueError, match="720"):
        TaskManager(tmp_path / "work.json", task_timeout_hours=hours)
    assert list(tmp_path.iterdir()) == []


# Waiting


def test_a_call_that_gets_no_lock_says_so_and_does_nothing(tmp_path: Path) -> None:
    holder = TaskManager(tmp_path / "work.json")
    id = holder.create_task("analyze")
    tm = TaskManager(tmp_path / "work.json", lock_timeout=0.05)
    with holder.board.lock():
        for call in (
            lambda: tm.create_task("analyze"),
            lambda: tm.get_next_task("ada"),
            lambda: tm.complete_task(id, "ada"),
            lambda: tm.update_workflow_metadata({"a": 1}),
        ):
            with pytest.raises(taskhost.LockTimeout) as raised:
                call()
            assert isinstance(raised.value, TimeoutError)
    assert tm.get_status_summary()["status_counts"]["pending"] == 1
    assert given(tm, "ada")["id"] == id


def test_a_child_that_was_forked_in_the_middle_of_a_call_gets_its_own_way(
    tm: TaskManager,
) -> None:
    # A lock that another thread held at the fork would be held for ever in the child.
    tm.board.add_all([{"type": "analyze", "data": {"n": n}} for n in range(200)])
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set() and (task := tm.get_next_task("busy")):
            tm.release_task(task["id"], "busy")

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(5):
            child = FORK.Process(target=_get_one, args=(tm,))
            child.start()
            child.join(30)
            assert child.exitcode == 0
    finally:
        stop.set()
        thread.join()


def test_a_child_that_was_forked_while_a_token_was_looked_up_has_them_all_the_same(
    tm: TaskManager,
) -> None:
    id = tm.create_task("analyze")
    given(tm, "child")
    take_away(tm, id)
    child = FORK.Process(target=_get_one, args=(tm,))
    with tm._tokens._guard.get():
        child.start()
    child.join(30)
    child.kill()
    assert child.exitcode == 0


def _get_one(tm: TaskManager) -> None:
    assert tm.complete_task(given(tm, "child")["id"], "child")
