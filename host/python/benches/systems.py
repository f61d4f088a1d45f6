"""Measures each of the five systems' designs beside taskhost's module of the same interface, in one run.

    python benches/systems.py [--seconds 2] [--rounds 3] [--dir DIR]

Each line is one operation, done for so many seconds by so many processes at once, each round on files of its own; the
designs and taskhost take turns. What is printed is operations per second, the median of the rounds, as a table for
Markdown. It means something only on a machine that does nothing else, and on the disk that `--dir` is on.
"""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.synchronize
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from designs import Database, StateFile, TaskFiles, Todos, locked, replace

Step = Callable[[], bool]


@dataclass(frozen=True)
class Side:
    """One of those that are compared: how its files are made, and what a worker does again and again."""

    fill: Callable[[Path, int], object]
    worker: Callable[[Path, int, int], Step]


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    system: str
    operation: str
    design: str
    tasks: int
    theirs: Side
    ours: Side


def numbered(worker: int, workers: int, tasks: int) -> Iterator[int]:
    """This worker's own share of the tasks, so that no two ask for the same one."""
    return iter(range(worker, tasks, workers))


# task_manager: get the next task and complete it


def state_file_fill(synced: bool, folder: Path, tasks: int) -> None:
    StateFile(folder, synced=synced).fill(tasks)


def state_file_worker(synced: bool, folder: Path, worker: int, workers: int) -> Step:
    return partial(StateFile(folder, synced=synced).step, f"w{worker}")


def task_manager_fill(folder: Path, tasks: int) -> None:
    StateFile(folder, synced=False).fill(tasks)
    from taskhost.compat.task_manager import TaskManager

    TaskManager(folder / "state.json")


def task_manager_worker(folder: Path, worker: int, workers: int) -> Step:
    from taskhost.compat.task_manager import TaskManager

    manager = TaskManager(folder / "state.json", lock_timeout=60)

    def step() -> bool:
        task = manager.get_next_task(f"w{worker}")
        return task is not None and manager.complete_task(task["id"], f"w{worker}")

    return step


# task_locking: assign a todo


def todos_fill(folder: Path, tasks: int) -> None:
    Todos(folder, synced=True).fill(tasks)


def todos_worker(tasks: int, folder: Path, worker: int, workers: int) -> Step:
    todos, mine = Todos(folder, synced=True), numbered(worker, workers, tasks)
    return lambda: (n := next(mine, None)) is not None and todos.assign(f"T-{n}", f"w{worker}")


def task_locking_fill(folder: Path, tasks: int) -> None:
    Todos(folder, synced=True).fill(tasks)
    from taskhost.compat.task_locking import atomic_assign_task

    # The first brings all of them to the board, and the second finds that both agree.
    for task in (0, 1):
        atomic_assign_task(f"T-{task}", "somebody", timeout=60, root=folder)


def task_locking_worker(tasks: int, folder: Path, worker: int, workers: int) -> Step:
    from taskhost.compat.task_locking import atomic_assign_task

    os.environ["TODO2_ROOT"] = str(folder)
    mine = numbered(worker + 2, workers, tasks)

    def step() -> bool:
        n = next(mine, None)
        return n is not None and atomic_assign_task(f"T-{n}", f"w{worker}", timeout=60)[0]

    return step


# a2a: claim a task by its id


def task_files_fill(folder: Path, tasks: int) -> None:
    TaskFiles(folder).fill(tasks)


def task_files_worker(tasks: int, folder: Path, worker: int, workers: int) -> Step:
    files, mine = TaskFiles(folder), numbered(worker, workers, tasks)
    return lambda: (n := next(mine, None)) is not None and files.claim(f"task-{n}", f"w{worker}")


def a2a_fill(folder: Path, tasks: int) -> None:
    TaskFiles(folder).fill(tasks)
    from taskhost.compat.a2a import TaskPool

    TaskPool(folder).get_available_tasks()


def a2a_worker(tasks: int, folder: Path, worker: int, workers: int) -> Step:
    import logging

    from taskhost.compat.a2a import TaskPool

    logging.getLogger("taskhost").setLevel(logging.ERROR)
    pool, mine = TaskPool(folder), numbered(worker, workers, tasks)

    def step() -> bool:
        n = next(mine, None)
        return n is not None and pool.claim_task(f"task-{n}", f"w{worker}") is not None

    return step


# file_ops: change one task of a board's file


def board_file_fill(folder: Path, tasks: int) -> None:
    replace(folder / "tasks.json", [{"id": n, "status": "new"} for n in range(tasks)], synced=False)


def change_one(content: Any, count: int) -> Any:
    content[count % len(content)]["status"] = "done"
    return content


def board_file_worker(folder: Path, worker: int, workers: int) -> Step:
    import json

    path, count = folder / "tasks.json", iter(range(10**9))

    def step() -> bool:
        with locked(folder / "tasks.json.lock"):
            content = json.loads(path.read_text())
            replace(path, change_one(content, next(count)), synced=True)
        return True

    return step


def file_ops_worker(folder: Path, worker: int, workers: int) -> Step:
    from taskhost.compat.file_ops import FileLock, safe_json_read, safe_json_write

    path, count = folder / "tasks.json", iter(range(10**9))

    def step() -> bool:
        with FileLock(path, timeout=60):
            content = safe_json_read(path)
            safe_json_write(path, change_one(content, next(count)), indent=None)
        return True

    return step


# orchestrator: get and assign the next task


def database_fill(synced: bool, folder: Path, tasks: int) -> None:
    Database(folder, synced=synced).fill(tasks)


def database_worker(synced: bool, folder: Path, worker: int, workers: int) -> Step:
    return partial(Database(folder, synced=synced).step, f"w{worker}")


def orchestrator_fill(folder: Path, tasks: int) -> None:
    Database(folder, synced=False).fill(tasks)
    from taskhost.compat.orchestrator import TaskQueue

    TaskQueue(str(folder / "tasks.db"))


def orchestrator_worker(folder: Path, worker: int, workers: int) -> Step:
    from taskhost.compat.orchestrator import TaskQueue

    queue = TaskQueue(str(folder / "tasks.db"))
    return lambda: queue.get_and_assign_next_task("claude", f"w{worker}") is not None


def lines(quick: bool) -> Iterator[Line]:
    sizes = [100] if quick else [1_000, 10_000]
    manager = Side(task_manager_fill, task_manager_worker)
    for tasks in sizes:
        for synced in (False, True):
            design = "JSON file, flock, rename" + (", fsync" if synced else "")
            theirs = Side(partial(state_file_fill, synced), partial(state_file_worker, synced))
            yield Line("task_manager", "get and complete", design, tasks, theirs, manager)
    for tasks in sizes:
        yield Line(
            "task_locking",
            "assign",
            "JSON file, flock, rename, fsync",
            tasks,
            Side(todos_fill, partial(todos_worker, tasks)),
            Side(task_locking_fill, partial(task_locking_worker, tasks)),
        )
    for tasks in sizes:
        yield Line(
            "a2a",
            "claim by id",
            "a file a task, flock, rename, fsync",
            tasks,
            Side(task_files_fill, partial(task_files_worker, tasks)),
            Side(a2a_fill, partial(a2a_worker, tasks)),
        )
    for tasks in sizes:
        yield Line(
            "file_ops",
            "change one",
            "JSON file, flock, rename, fsync",
            tasks,
            Side(board_file_fill, board_file_worker),
            Side(board_file_fill, file_ops_worker),
        )
    queue = Side(orchestrator_fill, orchestrator_worker)
    for tasks in sizes:
        for synced in (False, True):
            design = "SQLite, WAL" + (", full sync" if synced else ", no sync at commits")
            theirs = Side(partial(database_fill, synced), partial(database_worker, synced))
            yield Line("orchestrator", "get and assign", design, tasks, theirs, queue)


def work(
    side: Side,
    folder: Path,
    worker: int,
    workers: int,
    seconds: float,
    ready: multiprocessing.synchronize.Barrier,
    done: Any,
) -> None:
    step = side.worker(folder, worker, workers)
    ready.wait()
    began, count = time.monotonic(), 0
    while (took := time.monotonic() - began) < seconds and step():
        count += 1
    done.put((count, took))


def per_second(side: Side, tasks: int, workers: int, seconds: float, base: Path) -> float:
    context = multiprocessing.get_context("spawn")
    folder = Path(tempfile.mkdtemp(dir=base))
    try:
        side.fill(folder, tasks)
        ready, done = context.Barrier(workers), context.Queue()
        processes = [
            context.Process(target=work, args=(side, folder, n, workers, seconds, ready, done))
            for n in range(workers)
        ]
        for process in processes:
            process.start()
        # Whoever has worked off its share stops earlier, so each counts for its own time.
        parts = [done.get(timeout=seconds + 300) for _ in processes]
        for process in processes:
            process.join()
        return sum(count / max(took, 1e-9) for count, took in parts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--seconds", type=float, default=2.0)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--dir", type=Path, default=None, help="where files are made")
    arguments.add_argument("--quick", action="store_true", help="only see whether it works")
    given = arguments.parse_args()
    seconds, rounds = (0.1, 1) if given.quick else (given.seconds, given.rounds)
    print("| module | operation | tasks | processes | the design | its operations/s | taskhost/s | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for line in lines(given.quick):
        for workers in (1, 4):
            theirs, ours = [], []
            for _ in range(rounds):
                for side, figures in ((line.theirs, theirs), (line.ours, ours)):
                    one = per_second(side, line.tasks, workers, seconds, given.dir)
                    figures.append(one)
            a, b = statistics.median(theirs), statistics.median(ours)
            cells = [line.system, line.operation, f"{line.tasks:,}", str(workers), line.design]
            print("| " + " | ".join([*cells, f"{a:,.0f}", f"{b:,.0f}", f"{b / a:.2f}"]) + " |", flush=True)


if __name__ == "__main__":
    main()
