"""``taskhost.compat.a2a``: one directory of tasks, old and new programs beside each other."""

from __future__ import annotations

import fcntl
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import taskhost
from taskhost.compat._boards import board_beside
from taskhost.compat.a2a import A2AClient, TaskPool

_fork = multiprocessing.get_context("fork")


@pytest.fixture
def pool(tmp_path: Path) -> TaskPool:
    return TaskPool(tmp_path / "tasks")


def drop(pool: TaskPool, task_id: str, **fields: Any) -> Path:
    """Leaves a task as an old program does."""
    file = pool.available_dir / f"{task_id}.json"
    file.write_text(json.dumps({"task_id": task_id, "status": "available", **fields}))
    return file


def claim_as_old_programs_do(pool: TaskPool, task_id: str, agent_id: str) -> bool:
    """Their protocol, step by step, with the lock file deleted at the end."""
    file = pool.available_dir / f"{task_id}.json"
    lock = pool.available_dir / f"{task_id}.lock"
    descriptor = os.open(lock, os.O_CREAT | os.O_WRONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        task = json.loads(file.read_text())
        task.update(status="claimed", claimed_by=agent_id, claimed_at=time.time())
        (pool.claimed_dir / f"{task_id}_{agent_id}.json").write_text(json.dumps(task))
        file.unlink()
        return True
    except FileNotFoundError:
        return False
    finally:
        os.close(descriptor)
        lock.unlink(missing_ok=True)


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    caplog.set_level(logging.DEBUG, "taskhost.compat.a2a")
    yield lambda: [getattr(record, "event", None) for record in caplog.records]


# Claiming


def test_claim_gives_the_task_with_its_own_fields_and_who_has_it_since_when(pool: TaskPool) -> None:
    drop(pool, "task-123", description="port the form", budget={"tokens": 9})
    task = pool.claim_task("task-123", "agent-456")
    assert task is not None
    assert (task["task_id"], task["status"]) == ("task-123", "claimed")
    assert (task["description"], task["budget"]) == ("port the form", {"tokens": 9})
    assert task["claimed_by"] == task["agent_id"] == "agent-456"
    assert task["claimed_at"][:2] == "20" and "T" in task["claimed_at"]
    assert task["claim_token"] == 1


def test_claimed_and_unknown_tasks_are_none(pool: TaskPool, events: Any) -> None:
    drop(pool, "a")
    assert pool.claim_task("a", "ada")
    assert pool.claim_task("a", "bob") is None
    assert pool.claim_task("a", "ada") is None
    assert pool.claim_task("b", "ada") is None
    assert pool.claim_task("../a", "ada") is None
    assert pool.claim_task("x" * 300, "ada") is None
    assert events() == ["imported", "claimed", "conflict", "conflict"] + ["unknown"] * 3


def _claims(root: Path, agent: str, start: Any, answers: Any) -> None:
    pool = TaskPool(root)
    start.wait()
    answers.put((agent, pool.claim_task("wanted", agent)))


def test_one_of_many_claimers_wins(pool: TaskPool) -> None:
    # The old system's promise, whose lock file was deleted while others waited for it: two could hold it.
    drop(pool, "wanted")
    answers, start = _fork.Queue(), _fork.Barrier(12)
    processes = [
        _fork.Process(target=_claims, args=(pool.tasks_dir, f"agent-{n}", start, answers))
        for n in range(12)
    ]
    for process in processes:
        process.start()
    given = dict(answers.get(timeout=30) for _ in processes)
    for process in processes:
        process.join()
    [winner] = [agent for agent, task in given.items() if task]
    assert pool.get_task("wanted")["claimed_by"] == winner  # type: ignore[index]


def test_each_of_many_tasks_is_one_threads(pool: TaskPool) -> None:
    ids = [drop(pool, f"t{n}").stem for n in range(20)]
    won: list[tuple[str, str]] = []

    def work(agent: str) -> None:
        won.extend((id, agent) for id in ids if pool.claim_task(id, agent))

    threads = [threading.Thread(target=work, args=(f"agent-{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(id for id, _ in won) == sorted(ids)


def test_task_comes_back_when_its_lease_is_over(tmp_path: Path) -> None:
    # The old system gave nothing back, ever: the task of an agent that died stayed in `claimed`.
    first = TaskPool(tmp_path / "tasks", lease_hours=0.05 / 3600)
    drop(first, "a")
    lost = first.claim_task("a", "ada")
    pool = TaskPool(tmp_path / "tasks")
    while (found := pool.claim_task("a", "bob")) is None:
        pool.board.wait(0.05)
    assert lost and found["claim_token"] > lost["claim_token"]
    # And who lost it completes nothing.
    assert not first.complete_task("a", "ada", {"late": True})
    assert pool.complete_task("a", "bob")


def test_what_a_living_pool_holds_comes_back_when_its_process_dies(pool: TaskPool) -> None:
    drop(pool, "a")
    script = f"""
        import os
        from taskhost.compat.a2a import TaskPool
        assert TaskPool({str(pool.tasks_dir)!r}, living=True).claim_task("a", "ada")
        os._exit(0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
    while pool.claim_task("a", "bob") is None:
        assert pool.get_task("a")["claimed_by"] == "ada"  # type: ignore[index]
        pool.board.wait(1)


# Ending


def test_task_is_completed_in_another_process_by_the_agents_name(pool: TaskPool) -> None:
    drop(pool, "a")
    assert pool.claim_task("a", "ada")
    script = f"""
        from taskhost.compat.a2a import TaskPool
        assert TaskPool({str(pool.tasks_dir)!r}).complete_task("a", "ada", {{"lines": 3}})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
    task = pool.get_task("a")
    assert task and (task["status"], task["result"]) == ("completed", {"lines": 3})
    assert pool.claim_task("a", "bob") is None


def test_only_the_holder_ends_a_claim(pool: TaskPool, events: Any) -> None:
    drop(pool, "a")
    assert not pool.complete_task("a", "ada") and not pool.release_task("nowhere", "ada")
    first = pool.claim_task("a", "ada")
    assert first and not pool.complete_task("a", "bob") and not pool.fail_task("a", "bob")
    assert pool.release_task("a", "ada", "tired")
    second = pool.claim_task("a", "ada")
    # A late answer of an agent that has the task a second time is told apart by the token.
    assert second and not pool.complete_task("a", "ada", token=first["claim_token"])
    assert pool.heartbeat("a", "ada")
    assert pool.fail_task("a", "ada", "no disk", token=second["claim_token"])
    assert pool.get_task("a")["error"] == "no disk"  # type: ignore[index]


# Locks


def test_claim_waits_for_the_lock_that_old_programs_hold(pool: TaskPool, events: Any) -> None:
    file = drop(pool, "a")
    lock = os.open(file.with_suffix(".lock"), os.O_CREAT | os.O_WRONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        began = time.monotonic()
        assert pool.claim_task("a", "ada", timeout=0.2) is None
        assert 0.2 <= time.monotonic() - began < 5
        assert events() == ["timeout"] and file.exists()

        answer: list[Any] = []
        waiter = threading.Thread(target=lambda: answer.append(pool.claim_task("a", "ada", 30)))
        waiter.start()
    finally:
        os.close(lock)
    waiter.join()
    assert answer[0] is not None


def test_lock_files_stay(pool: TaskPool) -> None:
    # The old system deleted them: a waiter then held the deleted one and a newcomer another, two holders of one lock.
    file = drop(pool, "a")
    assert pool.claim_task("a", "ada") and not file.exists()
    assert file.with_suffix(".lock").exists()


def test_lock_held_by_hand_is_respected_and_named(
    pool: TaskPool, caplog: pytest.LogCaptureFixture
) -> None:
    pool.create_task({"task_id": "a"})
    with pool.board.lock_task("a", who="the operator"):
        began = time.monotonic()
        assert pool.claim_task("a", "ada", timeout=0.2) is None
        assert 0.2 <= time.monotonic() - began < 5
    [record] = [r for r in caplog.records if getattr(r, "event", None) == "timeout"]
    assert "the operator" in record.holder and record.waited_s >= 0.2  # type: ignore[attr-defined]
    assert pool.claim_task("a", "ada", timeout=0.2)


def test_two_claims_of_different_tasks_do_not_wait_for_each_other(pool: TaskPool) -> None:
    drop(pool, "a")
    drop(pool, "b")
    with taskhost.FileLock(pool.available_dir / "a.lock").acquire():
        assert pool.claim_task("b", "bob", timeout=0)


# Beside old programs


def test_old_and_new_programs_never_both_get_a_task(pool: TaskPool) -> None:
    ids = [drop(pool, f"t{n}").stem for n in range(30)]
    old: list[str] = []
    new: list[str] = []
    start = threading.Barrier(4)

    def works_as_of_old(agent: str) -> None:
        start.wait()
        old.extend(id for id in ids if claim_as_old_programs_do(pool, id, agent))

    def works_as_of_now(agent: str) -> None:
        start.wait()
        new.extend(id for id in reversed(ids) if pool.claim_task(id, agent))

    threads = [
        threading.Thread(target=work, args=(f"{work.__name__}-{n}",))
        for work in (works_as_of_old, works_as_of_now)
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(old + new) == sorted(ids)


def test_task_that_a_crash_left_in_two_places_is_its_claimers(pool: TaskPool) -> None:
    # The old system wrote the claimed copy, then deleted the available one: a crash in between left both.
    drop(pool, "a", description="x")
    (pool.claimed_dir / "a_ada.json").write_text(
        json.dumps(
            {"task_id": "a", "status": "claimed", "claimed_by": "ada", "claimed_at": time.time()}
        )
    )
    assert pool.claim_task("a", "bob") is None
    assert pool.get_available_tasks() == []
    assert pool.complete_task("a", "ada")


def test_task_that_an_old_program_completes_is_completed_here(pool: TaskPool) -> None:
    drop(pool, "a")
    assert claim_as_old_programs_do(pool, "a", "ada")
    assert pool.get_task("a")["claimed_by"] == "ada"  # type: ignore[index]
    done = {"task_id": "a", "status": "completed", "claimed_by": "ada", "result": {"n": 1}}
    (pool.completed_dir / "a_complete.json").write_text(json.dumps(done))
    (pool.claimed_dir / "a_ada.json").unlink()
    assert pool.get_available_tasks() == []
    task = pool.get_task("a")
    assert task and (task["status"], task["result"]) == ("completed", {"n": 1})


def test_crash_between_taking_a_file_and_importing_it_is_made_good(pool: TaskPool) -> None:
    file = drop(pool, "a", priority=3)
    os.rename(file, pool.tasks_dir / "importing" / "a.json")
    assert [task["task_id"] for task in TaskPool(pool.tasks_dir).get_available_tasks()] == ["a"]
    assert not any((pool.tasks_dir / "importing").iterdir())
    assert pool.claim_task("a", "ada")


def test_killed_claimers_lose_no_task(pool: TaskPool) -> None:
    # Each is killed on its way to another task: whatever it had begun, the others find every task once.
    ids = [drop(pool, f"t{n:02}").stem for n in range(24)]
    script = f"""
        from taskhost.compat.a2a import TaskPool
        pool = TaskPool({str(pool.tasks_dir)!r})
        for n in range(24):
            print(n, flush=True)
            pool.claim_task(f"t{{n:02}}", "killed")
    """
    for count in range(1, 24, 5):
        command = [sys.executable, "-c", textwrap.dedent(script)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(count):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
    left = {id for id in ids if pool.claim_task(id, "ada")}
    killed = {task.id for task in pool.board.tasks(status="in_progress", holder="killed")}
    assert left | killed == set(ids) and not left & killed
    assert pool.board.counts().total == 24


def test_file_that_is_still_being_written_is_left_until_it_is_whole(
    pool: TaskPool, caplog: pytest.LogCaptureFixture
) -> None:
    file = pool.available_dir / "a.json"
    file.write_text('{"task_id": "a", "descr')
    (pool.available_dir / "list.json").write_text("[1]")
    for _ in range(3):
        assert pool.get_available_tasks() == []
    assert len([r for r in caplog.records if "left alone" in r.message]) == 2
    file.write_text('{"task_id": "a", "description": "x"}')
    assert pool.claim_task("a", "ada")


def test_file_without_an_id_is_called_by_its_name(pool: TaskPool) -> None:
    (pool.available_dir / "by name.json").write_text('{"description": "x"}')
    [task] = pool.get_available_tasks()
    assert task["task_id"] == "by name"
    claimed = pool.claim_task("by name", "ada")
    assert claimed and claimed["task_id"] == "by name"
    assert pool.complete_task("by name", "ada")


def test_files_that_were_there_before_are_brought_along_once(tmp_path: Path) -> None:
    root = tmp_path / "tasks"
    for name in ("available", "claimed", "completed"):
        (root / name).mkdir(parents=True)
    (root / "available" / "a.json").write_text('{"task_id": "a"}')
    (root / "claimed" / "b_ada.json").write_text('{"task_id": "b", "claimed_by": "ada"}')
    (root / "completed" / "c_complete.json").write_text('{"task_id": "c", "result": 1}')
    for _ in range(2):
        pool = TaskPool(root)
        found = {t.id: t.status for t in pool.board.tasks()}
        assert found == {"a": "pending", "b": "in_progress", "c": "completed"}


# Making tasks, and who they are for


def test_created_tasks_are_available_to_all_processes(pool: TaskPool) -> None:
    made = pool.create_task({"description": "x", "labels": ["ui"], "odd": None})
    other = TaskPool(pool.tasks_dir)
    assert [task["task_id"] for task in other.get_available_tasks()] == [made]
    with pytest.raises(taskhost.Invalid, match="already"):
        other.create_task({"task_id": made})
    assert other.publish_task("p", "do it", ["css"]) and not pool.publish_task("p", "do it")


def test_task_waits_for_its_dependencies(pool: TaskPool, events: Any) -> None:
    pool.create_task({"task_id": "first"})
    pool.create_task({"task_id": "second", "dependencies": ["first"]})
    assert pool.claim_task("second", "ada") is None and events()[-1] == "not_ready"
    assert pool.claim_task("first", "ada") and pool.complete_task("first", "ada")
    assert pool.claim_task("second", "ada")


def test_compatible_tasks_are_those_that_the_agent_can_do(tmp_path: Path) -> None:
    client = A2AClient("ada", "frontend", ["javascript", "css"], "/w", base_dir=tmp_path / "tasks")
    for fields in (
        {"task_id": "plain"},
        {"task_id": "able", "required_capabilities": ["javascript", "css"]},
        {"task_id": "unable", "required_capabilities": ["javascript", "rust"]},
        {"task_id": "asked", "requirements": ["rust"]},
        {"task_id": "bound", "constraints": {"required_capabilities": ["rust"]}},
        {"task_id": "mine", "agent_type": "frontend"},
        {"task_id": "anybody's", "agent_type": "any"},
        {"task_id": "another's", "agent_type": "backend"},
        {"task_id": "typed", "type": "backend"},
    ):
        client.task_pool.create_task(fields)
    found = [task["task_id"] for task in client.get_compatible_tasks()]
    assert found == ["plain", "able", "mine", "anybody's", "typed"]
    # Who names a task means it.
    assert client.claim_task("unable", timeout=15.0)
    assert client.complete_task("unable", {"ok": True})


def test_directory_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A2A_BASE_DIR", str(tmp_path / "base"))
    assert TaskPool().tasks_dir == tmp_path / "base" / "tasks"
    monkeypatch.setenv("A2A_TASKS_DIR", str(tmp_path / "t"))
    pool = TaskPool()
    assert pool.tasks_dir == tmp_path / "t" and (tmp_path / "t.taskhost").is_dir()
    assert board_beside(pool.tasks_dir, timeout=10.0, settings={}) is pool.board


def test_file_stays_taken_after_a_power_loss(
    pool: TaskPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A rename that isn't synced may be undone: the task would be available again, and on the board as claimed.
    synced: dict[str, int] = {}
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        synced[Path(os.readlink(f"/proc/self/fd/{descriptor}")).name] = pool.board.counts().total

    monkeypatch.setattr(os, "fsync", fsync)
    drop(pool, "a")
    assert pool.claim_task("a", "ada")
    # Both directories, before the task was on the board.
    assert synced == {"importing": 0, "available": 0}


def test_completed_file_that_is_read_too_early_is_read_again(pool: TaskPool) -> None:
    # Old programs write these in place, so that one may be read half-written; nothing tells of the rest.
    file = pool.completed_dir / "a_complete.json"
    file.write_text('{"task_id": "a", "sta')
    os.utime(pool.completed_dir, (1, 1))
    assert pool.get_task("a") is None
    file.write_text('{"task_id": "a", "status": "completed", "result": 1}')
    os.utime(pool.completed_dir, (1, 1))
    task = pool.get_task("a")
    assert task and task["result"] == 1
