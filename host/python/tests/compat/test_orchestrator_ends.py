"""How agents and tasks of the orchestrator end, where something goes wrong on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from taskhost.compat.orchestrator import AgentSpawner, AgentType, TaskQueue, _spawner
from taskhost.compat.orchestrator._handover import Handover
from taskhost.compat.orchestrator._process import Spawned


@pytest.fixture
def spawner(elsewhere: Path) -> Iterator[AgentSpawner]:
    with AgentSpawner(max_agents=2, commands={AgentType.CUSTOM: ["sh", "-c", "echo done; sleep 0.2"]}, grace=1) as spawner:
        yield spawner


# The thread that waits for an agent stumbled over what nobody had thought of. The agent was running for ever after,
# whoever waited for it waited for ever, and its place was never free again.
def test_agent_ends_even_if_what_became_of_it_cannot_be_told(
    spawner: AgentSpawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: Any) -> Any:
        raise AttributeError("it is a list")

    monkeypatch.setattr(Spawned, "_outcome", stumble)
    told = spawner.wait_for_agent(spawner.spawn_agent(AgentType.CUSTOM, "t", "x"), timeout=30)
    assert told is not None and told["status"] == "failed" and "it is a list" in told["error"]
    assert spawner.get_resource_stats()["available_slots"] == 2


# An agent was said to be completed and running at once, while its task was being tidied up.
def test_agent_that_runs_is_not_completed_yet(
    spawner: AgentSpawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    tidy = Handover.tidy

    def look_and_tidy(handover: Handover) -> None:
        seen.extend((told["status"], told["running"]) for told in spawner.list_agents())
        tidy(handover)

    monkeypatch.setattr(Handover, "tidy", look_and_tidy)
    spawner.wait_for_agent(spawner.spawn_agent(AgentType.CUSTOM, "t", "x"), timeout=30)
    assert set(seen) == {("running", True)}


# An agent that had just been registered still counted as one that was starting, so two threads that spawned the two
# that may run were told that there were too many.
def test_agent_that_was_just_spawned_counts_once(
    spawner: AgentSpawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class LookingSet(set[AgentSpawner]):
        def add(self, spawner: AgentSpawner) -> None:
            seen.append(spawner.get_resource_stats()["active_agents"])
            super().add(spawner)

    monkeypatch.setattr(_spawner, "_with_agents", LookingSet())
    spawner.spawn_agent(AgentType.CUSTOM, "t", "x")
    assert seen == [1]


def test_agent_that_could_not_be_spawned_is_not_counted(
    spawner: AgentSpawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise OSError("no more processes")

    monkeypatch.setattr(spawner, "_run", refuse)
    with pytest.raises(OSError, match="no more"):
        spawner.spawn_agent(AgentType.CUSTOM, "t", "x")
    assert spawner.get_resource_stats()["total_spawned"] == 0
    assert spawner.get_resource_stats()["available_slots"] == 2


# Who asked for an agent's output just when it began, or after it had been removed, got a FileNotFoundError.
def test_output_that_is_not_there_is_empty(spawner: AgentSpawner) -> None:
    agent = spawner.spawn_agent(AgentType.CUSTOM, "t", "x")
    told = spawner.wait_for_agent(agent, timeout=30)
    assert told is not None and spawner.get_agent_output(agent) == "done\n"
    for stream in ("stdout", "stderr"):
        Path(told["output_dir"], stream).unlink(missing_ok=True)
    assert spawner.get_agent_output(agent) == ""


# A task that nobody had was to be set to completed. The process died after it had claimed it and before it had
# completed it, and for a day it was held by nobody's agent.
def test_task_that_is_claimed_only_to_be_ended_comes_back_soon(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    def die(*_: Any, **__: Any) -> Any:
        raise Died

    queue = TaskQueue()
    id = queue.add_task("review it")
    monkeypatch.setattr(queue.board, "complete", die)
    with pytest.raises(Died):
        queue.complete_task(id)
    claim = queue.board.task(id).claim
    assert claim is not None
    assert (claim.lease_until - claim.since).total_seconds() <= 60


# An old program closed its database, which took the log of it away, just between the look for it and the look at it:
# the new program couldn't open its queue.
def test_log_of_a_database_may_go_at_any_time(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect("tasks.db")) as database:
        database.execute("CREATE TABLE tasks (id TEXT, description TEXT, status TEXT)")
        database.execute("INSERT INTO tasks VALUES ('t', 'review it', 'pending')")
        database.commit()
    was_there = Path.exists
    monkeypatch.setattr(
        Path, "exists", lambda path: path.name == "tasks.db-wal" or was_there(path)
    )
    assert TaskQueue().get_task("t") is not None
