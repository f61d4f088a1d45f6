"""One board, and everybody who can work on it at once: ``TaskManager``, ``taskhost.Board`` and the command."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

import taskhost
from taskhost.command import find_command
from taskhost.compat.task_manager import TaskManager, TaskStatus

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def tm(tmp_path: Path) -> TaskManager:
    return TaskManager(tmp_path / "work.json")


def command(board: Path, *words: str) -> list[str]:
    return [str(find_command()), "--board", str(board), "--json", *words]


def run(tm: TaskManager, *words: str, code: int = 0) -> dict[str, Any]:
    """What the command says."""
    done = subprocess.run(command(tm.board.path, *words), capture_output=True, timeout=60)
    assert done.returncode == code, done
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


# One after the other


def test_what_a_task_manager_makes_the_command_does(tm: TaskManager) -> None:
    id = tm.create_task("analyze", {"file": "a.csv"})
    task = run(tm, "claim", "--agent", "ada")["task"]
    assert (task["id"], task["data"]) == (id, {"file": "a.csv"})
    assert tm.get_next_task("bob") is None
    assert not tm.complete_task(id, "bob")
    run(tm, "complete", id, "--agent", "ada", "--result", '{"rows": 3}')
    done = tm.get_task(id)
    assert done is not None
    assert (done["status"], done["result"]) == ("completed", {"rows": 3})


def test_what_the_command_makes_a_task_manager_does(tm: TaskManager) -> None:
    run(tm, "add", "analyze", "--id", "a", "--data", '{"file": "a.csv"}')
    run(tm, "add", "analyze", "--id", "b", "--after", "a", "--priority", "7")
    task = tm.get_next_task("ada")
    assert task is not None
    assert (task["id"], task["data"]) == ("a", {"file": "a.csv"})
    assert tm.get_next_task("bob") is None
    said = run(tm, "claim", "a", "--agent", "bob", code=4)
    assert (said["error"]["code"], said["error"]["holder"]) == ("claimed", "ada")
    assert tm.complete_task("a", "ada", TaskStatus.COMPLETED, {"rows": 3})
    assert run(tm, "show", "a")["task"]["result"] == {"rows": 3}
    assert run(tm, "claim", "--agent", "bob")["task"]["id"] == "b"


def test_a_task_is_given_in_one_way_and_ended_in_another_under_one_name(tm: TaskManager) -> None:
    first, second, third = (tm.create_task("analyze") for _ in range(3))
    assert run(tm, "claim", "--agent", "ada")["task"]["id"] == first
    claim = tm.board.agent("ada", living=False).claim()
    assert claim is not None and claim.id == second
    task = tm.get_next_task("ada")
    assert task is not None and task["id"] == third
    assert tm.complete_task(first, "ada")
    assert tm.complete_task(second, "ada", TaskStatus.FAILED, {"error": "no disk"})
    run(tm, "complete", third, "--agent", "ada")
    # What has ended otherwise is not to be ended again.
    assert not tm.complete_task(third, "ada", TaskStatus.FAILED)
    assert run(tm, "show", second)["task"]["error"] == "no disk"
    with pytest.raises(taskhost.Invalid):
        claim.complete()


def test_what_an_operator_takes_is_lost_to_its_holder(tm: TaskManager) -> None:
    id = tm.create_task("analyze")
    assert tm.get_next_task("ada") is not None
    run(tm, "release", id, "--force", "--reason", "it hangs")
    assert not tm.heartbeat(id, "ada")
    token = str(run(tm, "claim", "--agent", "ada")["task"]["claim"]["token"])
    # The same name, and another claim.
    assert not tm.complete_task(id, "ada", TaskStatus.CANCELLED)
    run(tm, "complete", id, "--agent", "ada", "--token", token)


def test_what_is_reserved_or_locked_by_hand_is_not_given(tm: TaskManager) -> None:
    reserved, locked, free = (tm.create_task("analyze") for _ in range(3))
    run(tm, "assign", reserved, "--to", "dora")
    with tm.board.lock_task(locked):
        task = tm.get_next_task("ada")
        assert task is not None and task["id"] == free
        assert tm.get_next_task("ada") is None
    task = tm.get_next_task("dora")
    assert task is not None and task["id"] == reserved


def test_metadata_is_the_boards(tm: TaskManager) -> None:
    tm.update_workflow_metadata({"version": "2.0"})
    tm.board.set_meta("owner", {"team": "ops"})
    said = subprocess.run(
        command(tm.board.path, "meta", "get", "version"), capture_output=True, timeout=60
    )
    assert "2.0" in said.stdout.decode()
    assert tm.get_workflow_metadata() == {"version": "2.0", "owner": {"team": "ops"}}


def test_whoever_waits_is_woken_by_a_task_managers_task(tm: TaskManager) -> None:
    waiter = subprocess.Popen(
        command(tm.board.path, "claim", "--agent", "ada", "--wait", "60s"), stdout=subprocess.PIPE
    )
    id = tm.create_task("analyze")
    said, _ = waiter.communicate(timeout=30)
    assert json.loads(said)["task"]["id"] == id


# All at once


def _managers(state_file: Path, name: str, gone: Any) -> None:
    """Two threads, each with a manager of its own."""

    def work(agent: str) -> None:
        tm, done = TaskManager(state_file), []
        while task := tm.get_next_task(agent):
            assert tm.complete_task(task["id"], agent, result_data={"by": agent})
            done.append(task["id"])
        gone.put((agent, done))

    threads = [threading.Thread(target=work, args=(f"{name}-{n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _agents(board: Path, name: str, gone: Any) -> None:
    done = []
    with taskhost.Board(board).agent(name) as agent:
        for claim in agent.claims():
            with claim:
                claim.result = {"by": name}
                done.append(claim.id)
    gone.put((name, done))


def test_a_mixed_fleet_does_each_task_once_and_parents_before_children(tm: TaskManager) -> None:
    # Two processes with two threads of `TaskManager`, two of `Board`, and two workers of `taskhost run`.
    parents = [tm.create_task("extract", {"n": n}) for n in range(30)]
    children = [tm.create_task("transform", parent_id=parent) for parent in parents]
    gone = FORK.Queue()
    fleet = subprocess.Popen(
        command(tm.board.path, "run", "--agents", "2", "--", "true"), stdout=subprocess.DEVNULL
    )
    workers = [
        FORK.Process(target=_managers, args=(tm.state_file, f"manager-{n}", gone))
        for n in range(2)
    ]
    workers += [
        FORK.Process(target=_agents, args=(tm.board.path, f"agent-{n}", gone)) for n in range(2)
    ]
    for worker in workers:
        worker.start()
    said = dict(gone.get(timeout=60) for _ in range(6))
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    # What it claimed last may have been the parent of the last child.
    assert fleet.wait(60) == 0
    while task := tm.get_next_task("sweeper"):
        assert tm.complete_task(task["id"], "sweeper", result_data={"by": "sweeper"})

    tasks = {task.id: task for task in tm.board.list(limit=None)}
    assert {task.status for task in tasks.values()} == {"completed"}
    assert {task.attempts for task in tasks.values()} == {1}
    for agent, done in said.items():
        assert all(tasks[id].result == {"by": agent} for id in done)
    assert len({id for done in said.values() for id in done}) == sum(map(len, said.values()))
    for parent, child in zip(parents, children, strict=True):
        before, after = tasks[parent].completed_at, tasks[child].completed_at
        assert before is not None and after is not None and before <= after


def _claim(state_file: Path, way: str, barrier: Any, gone: Any) -> None:
    tm = TaskManager(state_file)
    barrier.wait(30)
    if way == "manager":
        task = tm.get_next_task("ada")
        gone.put(task and task["id"])
    elif way == "board":
        claim = tm.board.agent("ada", living=False).claim()
        gone.put(claim and claim.id)
    else:
        done = subprocess.run(
            command(tm.board.path, "claim", "--agent", "ada"), capture_output=True, timeout=60
        )
        gone.put(json.loads(done.stdout)["task"]["id"] if done.returncode == 0 else None)


def test_of_many_who_claim_under_one_name_one_wins(tm: TaskManager) -> None:
    # Agents that are told apart by name alone must not share work because two of them have the same.
    id = tm.create_task("analyze")
    ways = ["manager", "board", "command"] * 2
    barrier, gone = FORK.Barrier(len(ways)), FORK.Queue()
    claimers = [
        FORK.Process(target=_claim, args=(tm.state_file, way, barrier, gone)) for way in ways
    ]
    for claimer in claimers:
        claimer.start()
    got = [gone.get(timeout=60) for _ in ways]
    for claimer in claimers:
        claimer.join(30)
    assert sorted(got, key=str) == [None] * (len(ways) - 1) + [id]
