"""``taskhost.compat.orchestrator``: a queue, agents as processes, and what they tell each other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import taskhost
from taskhost.command import find_command
from taskhost.compat.orchestrator import (
    AgentSpawner,
    AgentType,
    ContextManager,
    Priority,
    TaskQueue,
    TaskStatus,
    TooManyAgents,
)

_fork = multiprocessing.get_context("fork")


@pytest.fixture
def queue(elsewhere: Path) -> TaskQueue:
    return TaskQueue()


def all_at_once(work: Callable[[int], None], count: int = 8) -> None:
    """Has as many threads do it, none before all are there; what one raises is raised."""
    start = threading.Barrier(count)
    raised: list[BaseException] = []

    def run(n: int) -> None:
        start.wait()
        try:
            work(n)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in raised:
        raise error


def run_python(script: str) -> None:
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)


# The queue


def test_no_task_is_given_to_two_agents(queue: TaskQueue) -> None:
    # The old system's first key issue: agents selected a task, then updated it, and several got the same.
    ids = [queue.add_task(f"task {n}", "claude") for n in range(24)]
    given: list[str] = []

    def work(n: int) -> None:
        while task := queue.get_and_assign_next_task("claude", f"agent-{n}"):
            given.append(task["id"])
            assert queue.complete_task(task["id"], agent_id=f"agent-{n}")

    all_at_once(work)
    assert sorted(given) == sorted(ids)
    assert queue.get_stats()["completed"] == 24


def _takes_all(path: Path, agent: str, start: Any, answers: Any) -> None:
    queue = TaskQueue(path)
    start.wait()
    taken = []
    while task := queue.get_and_assign_next_task(None, agent):
        taken.append(task["id"])
    answers.put(taken)


def test_processes_share_the_tasks_too(elsewhere: Path) -> None:
    # Its locks were of threads: two processes with a queue each had nothing between them.
    queue = TaskQueue("shared.db")
    ids = [queue.add_task(f"task {n}") for n in range(24)]
    start, answers = _fork.Barrier(4), _fork.Queue()
    paths = [elsewhere / "shared.db"] * 4
    processes = [
        _fork.Process(target=_takes_all, args=(path, f"agent-{n}", start, answers))
        for n, path in enumerate(paths)
    ]
    for process in processes:
        process.start()
    taken = [id for _ in processes for id in answers.get(timeout=30)]
    for process in processes:
        process.join()
    assert sorted(taken) == sorted(ids)


def test_agents_get_tasks_of_their_type_and_those_for_any(queue: TaskQueue) -> None:
    queue.add_task("for any")
    queue.add_task("for codex", AgentType.CODEX)
    queue.add_task("for claude", "claude")
    got = [queue.get_and_assign_next_task("claude", "ada") for _ in range(3)]
    assert [task and task.description for task in got] == ["for any", "for claude", None]
    assert queue.get_next_task("codex").description == "for codex"  # type: ignore[union-attr]
    assert queue.get_and_assign_next_task("", "bob").agent_type == "codex"  # type: ignore[union-attr]


def test_urgent_tasks_come_first_then_old_ones(queue: TaskQueue) -> None:
    wanted: list[tuple[str, Priority | int]]
    wanted = [("a", Priority.LOW), ("b", 2), ("c", Priority.HIGH), ("d", 1)]
    for name, priority in wanted:
        queue.add_task(name, priority=priority)
    order = []
    while task := queue.get_and_assign_next_task("claude", "ada"):
        order.append((task.description, task.priority))
    assert order == [("c", 1), ("d", 1), ("b", 2), ("a", 3)]


def test_task_reads_as_a_dict_and_as_an_object(queue: TaskQueue) -> None:
    id = queue.add_task("x", "claude", context={"repo": "r"}, task_id="T-1")
    task = queue.get_and_assign_next_task("claude", "ada")
    assert id == "T-1" and task is not None
    assert task["id"] == task.id == "T-1"
    assert (task.status, task.assigned_to, task.context) == ("in_progress", "ada", {"repo": "r"})
    assert task.status == TaskStatus.ASSIGNED.value
    with pytest.raises(AttributeError, match="description"):
        _ = task.nothing
    assert queue.get_task("nowhere") is None


def test_agent_that_lost_its_task_cannot_end_it(queue: TaskQueue) -> None:
    id = queue.add_task("x")
    first = queue.get_and_assign_next_task(None, "ada")
    assert queue.update_task_status(id, "pending")
    second = queue.get_and_assign_next_task(None, "bob")
    assert first and second
    assert not queue.complete_task(id, agent_id="ada")
    assert not queue.complete_task(id, token=first.claim_token)
    assert not queue.fail_task(id, agent_id="bob", token=first.claim_token)
    assert queue.update_task_status(id, TaskStatus.IN_PROGRESS, agent_id="bob")
    assert queue.complete_task(id, {"n": 1}, agent_id="bob", token=second.claim_token)
    assert queue.get_task(id).result == {"n": 1}  # type: ignore[union-attr]


def test_statuses_are_set_as_before(queue: TaskQueue) -> None:
    id = queue.add_task("x")
    assert queue.assign_task(id, "ada") and not queue.assign_task(id, "bob")
    assert queue.update_status(id, TaskStatus.FAILED, error="no disk")
    assert [t.error for t in queue.list_tasks("failed")] == ["no disk"]
    assert queue.update_status(id, TaskStatus.PENDING)
    assert queue.update_status(id, TaskStatus.COMPLETED, "done")
    assert not queue.update_status(id, TaskStatus.FAILED)
    assert not queue.update_status("nowhere", TaskStatus.COMPLETED)
    with pytest.raises(ValueError, match="no status"):
        queue.update_status(id, "frobnicated")
    assert queue.cleanup_old_tasks(days=0) == 1 and queue.get_all_tasks() == []


def test_dependencies_are_waited_for(queue: TaskQueue) -> None:
    first = queue.add_task("first")
    second = queue.add_task("second", dependencies=[first], priority=Priority.HIGH)
    assert not queue.assign_task(second, "ada")
    assert queue.assign_task(first, "ada") and queue.complete_task(first)
    assert queue.assign_task(second, "ada")


def test_database_of_the_old_system_is_brought_along_and_left_as_it_is(elsewhere: Path) -> None:
    with sqlite3.connect("old.db") as db:
        db.execute(
            "CREATE TABLE tasks (id TEXT PRIMARY KEY, description TEXT, agent_type TEXT, status TEXT,"
            " priority INTEGER, created_at TEXT, assigned_to TEXT, assigned_at TEXT, context TEXT, odd TEXT)"
        )
        rows = [
            ("a1", "waits", "claude", "pending", 2, "2024-01-01T10:00:00", None, None, '{"k": 1}', "o"),
            ("a2", "held", "any", "assigned", 2, "2024-01-01T10:00:01", "ada", None, "{}", None),
            ("a3", "done", "codex", "completed", 2, "2024-01-01T10:00:02", "bob", None, None, None),
        ]
        db.executemany(f"INSERT INTO tasks VALUES ({', '.join('?' * 10)})", rows)
    db.close()
    before = Path("old.db").read_bytes()
    for _ in range(2):
        queue = TaskQueue("old.db")
        found = {t.id: (t.status, t.agent_type, t.priority) for t in queue.list_tasks()}
        assert found == {
            "a1": ("pending", "claude", 2),
            "a2": ("in_progress", "any", 2),
            "a3": ("completed", "codex", 2),
        }
    task = queue.get_and_assign_next_task("claude", "eve")
    assert task and (task.id, task.context, task["odd"]) == ("a1", {"k": 1}, "o")
    assert queue.complete_task("a2", agent_id="ada")
    assert Path("old.db").read_bytes() == before


def test_memory_stats_say_what_is_open(queue: TaskQueue) -> None:
    queue.add_task("x")
    stats = queue.get_memory_stats()
    assert stats["connection_pool"]["open_boards"] == 1
    assert stats["task_counts"]["pending"] == 1 and stats["db_size_bytes"] > 0


# Agents


@pytest.fixture
def spawner(queue: TaskQueue) -> Iterator[Callable[..., AgentSpawner]]:
    try:
        find_command()
    except FileNotFoundError:
        pytest.skip("the command `taskhost` isn't here")
    made: list[AgentSpawner] = []

    def make(*command: str, **options: Any) -> AgentSpawner:
        commands = {AgentType.CLAUDE: command}
        made.append(AgentSpawner(commands=commands, grace=2, **options))
        return made[-1]

    yield make
    for spawner in made:
        spawner.close()


def is_gone(pid: int) -> bool:
    """Whether a process has ended, collected or not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def begins(queue: TaskQueue, file: Path) -> str:
    """Waits until an agent has written the file, with a line in it, and gives that."""
    while not (file.exists() and file.read_text().endswith("\n")):
        queue.board.wait(0.02)
    return file.read_text().strip()


def test_agent_does_the_task_that_was_assigned_before(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner]
) -> None:
    # As the old system's guide has it: a queue gives the task, and it is passed on.
    agents = spawner("sh", "-c", 'echo "asked: $1"; echo "hm" >&2', "sh", "{data.description}")
    queue.add_task("port {id} -- it", "claude")
    task = queue.get_and_assign_next_task("claude", "dispatcher")
    assert task is not None
    agent = agents.spawn_agent(AgentType.CLAUDE, task["id"], task["description"], {"repo": "r"})
    status = agents.wait_for_agent(agent, 30)
    assert status and (status["status"], status["running"], status["error"]) == ("completed", False, None)
    assert agents.get_agent_output(agent) == "asked: port {id} -- it\nhm\n"
    assert agents.get_agent_output(agent, stream="stderr") == "hm\n"
    done = queue.get_task(task["id"])
    assert done and (done.status, done.context) == ("completed", {"repo": "r"})
    # Who passed it on has no part in it any more.
    assert not queue.complete_task(task["id"], agent_id="dispatcher", token=task.claim_token)


def test_agent_does_a_task_that_nobody_had_or_knew(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner]
) -> None:
    agents = spawner("true")
    waiting = queue.add_task("x", "claude")
    other = queue.add_task("y", "claude")
    ids = [agents.spawn_agent(AgentType.CLAUDE, id, "x") for id in (waiting, "new one/1")]
    assert [agents.wait_for_agent(id, 30)["status"] for id in ids] == ["completed"] * 2  # type: ignore[index]
    # It took nothing else.
    assert queue.get_task(other).status == "pending"  # type: ignore[union-attr]


def test_failure_is_the_tasks_and_can_be_tried_again(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner]
) -> None:
    agents = spawner("sh", "-c", 'test -e fixed || { echo "no disk" >&2; exit 3; }')
    id = queue.add_task("x")
    status = agents.wait_for_agent(agents.spawn_agent(AgentType.CLAUDE, id, "x"), 30)
    assert status and status["status"] == "failed" and "no disk" in status["error"]
    failed = queue.get_task(id)
    assert failed and failed.status == "failed" and "exit status 3" in failed.error
    Path("fixed").touch()
    status = agents.wait_for_agent(agents.spawn_agent(AgentType.CLAUDE, id, "x"), 30)
    assert status and status["status"] == "completed"
    with pytest.raises(taskhost.Invalid, match="completed"):
        agents.spawn_agent(AgentType.CLAUDE, id, "x")


def test_of_two_agents_for_a_task_one_is_refused(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner]
) -> None:
    agents = spawner("sleep", "1000")
    id = queue.add_task("x")
    spawned: list[str] = []
    refused: list[taskhost.Taken] = []

    def spawn(_: int) -> None:
        try:
            spawned.append(agents.spawn_agent(AgentType.CLAUDE, id, "x"))
        except taskhost.Taken as error:
            refused.append(error)

    all_at_once(spawn, 4)
    assert len(spawned) == 1 and len(refused) == 3
    assert {error.holder for error in refused} == set(spawned)
    assert agents.get_resource_stats()["active_agents"] == 1
    # Nor is it anybody's who asks the queue.
    assert queue.get_and_assign_next_task(None, "ada") is None


def test_task_that_is_passed_on_is_nobody_elses_in_between(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner]
) -> None:
    # Releasing the task for the agent to claim it would give it to whoever asks just then.
    agents = spawner("true", max_agents=50)
    for n in range(12):
        queue.add_task(f"task {n}", "claude")
    ids: list[str] = []

    def dispatch(n: int) -> None:
        while task := queue.get_and_assign_next_task("claude", f"dispatcher-{n}"):
            ids.append(agents.spawn_agent(AgentType.CLAUDE, task.id, task.description))

    all_at_once(dispatch, 4)
    assert len(ids) == 12
    assert {agents.wait_for_agent(id, 30)["status"] for id in ids} == {"completed"}  # type: ignore[index]
    assert queue.get_stats()["completed"] == 12


def test_no_more_agents_run_than_may(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner]
) -> None:
    # The old system checked under one lock and added under another.
    agents = spawner("sleep", "1000", max_agents=3)
    refused: list[TooManyAgents] = []

    def spawn(n: int) -> None:
        try:
            agents.spawn_agent(AgentType.CLAUDE, f"t{n}", "x")
        except TooManyAgents as error:
            refused.append(error)

    all_at_once(spawn, 8)
    stats = agents.get_resource_stats()
    assert (stats["active_agents"], stats["max_agents"], len(refused)) == (3, 3, 5)
    assert refused[0].retryable and "max_agents" in str(refused[0])
    ended = agents.list_agents()[0]["agent_id"]
    assert agents.terminate_agent(ended) and agents.spawn_agent(AgentType.CLAUDE, "next", "x")
    # What was refused has left nothing behind.
    assert len(queue.list_tasks()) == 4


def test_terminated_agent_ends_with_all_it_started_and_its_task_is_free(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner], elsewhere: Path
) -> None:
    # The old system ended the process that it had started, and that one's children went on.
    agents = spawner("sh", "-c", "sleep 1000 & echo $! > pid; wait")
    id = queue.add_task("x", "claude")
    agent = agents.spawn_agent(AgentType.CLAUDE, id, "x")
    child = int(begins(queue, elsewhere / "pid"))
    assert agents.terminate_agent(agent) and not agents.terminate_agent(agent)
    assert is_gone(child)
    assert agents.get_agent_status(agent)["status"] == "terminated"  # type: ignore[index]
    task = queue.get_and_assign_next_task("claude", "ada")
    assert task and task.id == id
    assert agents.cleanup_finished() == 1 and agents.get_agent_status(agent) is None


def test_task_of_an_agent_that_is_killed_comes_back_and_no_zombie_stays(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner], elsewhere: Path
) -> None:
    agents = spawner("sh", "-c", "echo $$ > pid; exec sleep 1000")
    id = queue.add_task("x", "claude")
    agent = agents.spawn_agent(AgentType.CLAUDE, id, "x")
    command = int(begins(queue, elsewhere / "pid"))
    pid = agents.get_agent_status(agent)["pid"]  # type: ignore[index]
    os.kill(pid, signal.SIGKILL)
    assert agents.wait_for_agent(agent, 30)["status"] == "failed"  # type: ignore[index]
    assert not Path(f"/proc/{pid}").exists()
    while (task := queue.get_and_assign_next_task("claude", "ada")) is None:
        queue.board.wait(1)
    assert task.id == id
    os.kill(command, signal.SIGKILL)


def test_agents_end_with_the_process_that_spawned_them(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner], elsewhere: Path
) -> None:
    script = """
        import sys, time
        from taskhost.compat.orchestrator import AgentSpawner, AgentType
        commands = {AgentType.CLAUDE: ["sh", "-c", "echo $$ > pid; exec sleep 1000"]}
        AgentSpawner(commands=commands, grace=2).spawn_agent(AgentType.CLAUDE, "t", "x")
        while not open("pid", "a+").tell():
            time.sleep(0.01)
    """
    run_python(script)
    assert is_gone(int((elsewhere / "pid").read_text()))
    assert queue.get_task("t").status == "pending"  # type: ignore[union-attr]


def test_forked_child_ends_none_of_its_parents_agents(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner], elsewhere: Path
) -> None:
    agents = spawner("sh", "-c", "echo $$ > pid; exec sleep 1000")
    agent = agents.spawn_agent(AgentType.CLAUDE, "t", "x")
    command = int(begins(queue, elsewhere / "pid"))

    def in_child() -> None:
        assert agents.list_agents() == [] and agents.get_agent_status(agent) is None
        agents.close()

    child = _fork.Process(target=in_child)
    child.start()
    child.join()
    assert child.exitcode == 0 and not is_gone(command)
    assert agents.get_resource_stats()["active_agents"] == 1


def test_task_outlives_its_spawner_where_it_was_reserved(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner]
) -> None:
    # An agent that never began: whoever spawned it was killed right after it had reserved the task.
    agents = spawner("true")
    queue.add_task("x", task_id="t")
    queue.board.update("t", add_labels=["spawned:claude-t-1"]).check()
    queue.board.assign("t", "claude-t-1").check()
    with pytest.raises(taskhost.Taken, match="reserved"):
        agents.spawn_agent(AgentType.CLAUDE, "t", "x")
    # Whoever knows better puts it back.
    assert queue.update_task_status("t", "pending")
    assert agents.wait_for_agent(agents.spawn_agent(AgentType.CLAUDE, "t", "x"), 30)


def test_command_that_is_not_there_is_said_before_anything_happens(
    queue: TaskQueue, spawner: Callable[..., AgentSpawner]
) -> None:
    id = queue.add_task("x")
    with pytest.raises(FileNotFoundError, match=r"commands=\{AgentType.CLAUDE"):
        spawner("no-such-program").spawn_agent(AgentType.CLAUDE, id, "x")
    with pytest.raises(ValueError, match="no command for `custom`"):
        spawner("true").spawn_agent(AgentType.CUSTOM, id, "x")
    assert queue.get_task(id).status == "pending"  # type: ignore[union-attr]


def test_closed_spawner_spawns_nothing(spawner: Callable[..., AgentSpawner]) -> None:
    with spawner("sleep", "1000") as agents:
        agent = agents.spawn_agent(AgentType.CLAUDE, "t", "x")
    assert agents.get_agent_status(agent)["status"] == "terminated"  # type: ignore[index]
    with pytest.raises(ValueError, match="closed"):
        agents.spawn_agent(AgentType.CLAUDE, "t2", "x")


# What they tell each other


def test_task_context_is_kept_whole(queue: TaskQueue) -> None:
    cm = ContextManager()
    assert cm.get_task_context("t") is None
    for task in ("t", "odd / id ü", "x" * 500):
        cm.set_task_context(task, {"for": task})
        assert ContextManager().get_task_context(task) == {"for": task}


def test_readers_never_see_half_a_value(queue: TaskQueue) -> None:
    # The old system wrote in place: a reader got an empty or a cut file.
    cm = ContextManager()
    cm.set_task_context("t", {"n": -1, "long": []})

    def work(n: int) -> None:
        for round in range(5):
            if n % 2:
                cm.set_task_context("t", {"n": n, "long": [n] * 10_000})
            context = cm.get_task_context("t")
            assert context is not None and set(context["long"]) <= {context["n"]}

    all_at_once(work, 6)


def test_of_two_updates_at_once_neither_is_lost(queue: TaskQueue) -> None:
    # Reading, changing and writing under a lock for each of these steps loses what others wrote in between.
    cm = ContextManager()

    def work(n: int) -> None:
        for i in range(5):
            cm.update_task_context("t", {f"{n}.{i}": i})

    all_at_once(work)
    assert len(cm.get_task_context("t") or {}) == 40


def _updates(name: str, start: Any) -> None:
    cm = ContextManager()
    start.wait()
    for i in range(10):
        cm.update_task_context("t", {f"{name}.{i}": i})
        cm.add_agent_output(name, "t", i)


def test_processes_lose_neither_updates_nor_outputs(queue: TaskQueue) -> None:
    start = _fork.Barrier(4)
    processes = [_fork.Process(target=_updates, args=(f"p{n}", start)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    cm = ContextManager()
    assert len(cm.get_task_context("t") or {}) == len(cm.get_agent_outputs("t")) == 40


def test_outputs_are_added_to_those_before(queue: TaskQueue) -> None:
    # The old system kept the last output of each agent only.
    cm = ContextManager()
    for agent, output in [("a/1", "first\nline"), ("b", {"n": 2}), ("a/1", "third"), ("c" * 128, 4)]:
        cm.add_agent_output(agent, "odd task", output, {"k": agent[:1]})
    outputs = cm.get_agent_outputs("odd task")
    assert [o["output"] for o in outputs] == ["first\nline", {"n": 2}, "third", 4]
    assert [o["agent_id"][:3] for o in outputs] == ["a/1", "b", "a/1", "ccc"]
    assert outputs[0]["metadata"] == {"k": "a"} and outputs[0]["task_id"] == "odd task"
    assert cm.get_agent_outputs("another") == []


def test_global_context_and_stats(queue: TaskQueue) -> None:
    cm = ContextManager()
    cm.set_global_context("project / name", "taskhost")
    cm.set_task_context("t", {})
    cm.add_agent_output("a", "t", "x")
    cm.add_agent_output("a", "t", "y")
    assert cm.get_global_context("project / name") == "taskhost"
    assert cm.get_global_context("other") is None
    stats = cm.get_context_stats()
    assert stats["total_files"] == 3 and stats["total_size_bytes"] > 0
    kinds = ("global_contexts", "tasks_with_context", "agent_outputs")
    assert [stats[kind] for kind in kinds] == [1, 1, 1]


def test_all_three_share_one_board_unless_told_otherwise(queue: TaskQueue, elsewhere: Path) -> None:
    assert queue.board is ContextManager().board is AgentSpawner().board
    apart = ContextManager("contexts")
    assert apart.board.path == elsewhere / "contexts.taskhost"
    apart.set_task_context("t", {})
    assert ContextManager().get_task_context("t") is None
