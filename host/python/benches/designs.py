"""The designs that five systems are described with, each as small as it can be: what taskhost is measured against.

They are written for the measurement alone. Each does what its description says for one operation, in the best way that the
description allows, and no more: nothing of them checks, recovers or reports as much as a system would.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds `flock` on a file that stays."""
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def replace(path: Path, content: Any, *, synced: bool) -> None:
    """Writes a file beside and renames it, as all of them do."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        # Not `json.dump`, which is several times as slow.
        file.write(json.dumps(content))
        if synced:
            file.flush()
            os.fsync(file.fileno())
    os.replace(temporary, path)
    if synced:
        directory = os.open(path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)


class StateFile:
    """One JSON file of all tasks, locked and written anew for each change."""

    def __init__(self, folder: Path, *, synced: bool) -> None:
        self.path, self.synced = folder / "state.json", synced
        self.lock = folder / "state.json.lock"

    def fill(self, count: int) -> None:
        tasks = {
            f"t_{n:08x}": {
                "type": "t",
                "status": "pending",
                "parent_id": None,
                "locked_by": None,
                "locked_at": None,
                "created_at": "2026-01-01T10:00:00",
                "completed_at": None,
                "data": {"source": f"item-{n}"},
            }
            for n in range(count)
        }
        state = {"workflow_type": "generic", "metadata": {}, "tasks": tasks}
        replace(self.path, state, synced=False)

    def step(self, agent: str) -> bool:
        """Gets a task and completes it."""
        with locked(self.lock):
            state = json.loads(self.path.read_text())
            free = (i for i, t in state["tasks"].items() if t["status"] == "pending")
            task = next(free, None)
            if task is None:
                return False
            state["tasks"][task].update(status="in_progress", locked_by=agent)
            replace(self.path, state, synced=self.synced)
        with locked(self.lock):
            state = json.loads(self.path.read_text())
            state["tasks"][task].update(status="completed", locked_by=None)
            replace(self.path, state, synced=self.synced)
        return True


class Todos:
    """A JSON file of all todos, of which one is assigned under a lock: the state's, since a task's own doesn't do."""

    def __init__(self, folder: Path, *, synced: bool) -> None:
        self.folder, self.synced = folder / ".todo2", synced
        self.path = self.folder / "state.todo2.json"
        self.next = 0

    def fill(self, count: int) -> None:
        self.folder.mkdir()
        todos = [{"id": f"T-{n}", "content": f"item {n}", "status": "Todo"} for n in range(count)]
        replace(self.path, {"todos": todos}, synced=False)

    def assign(self, task: str, name: str) -> bool:
        with locked(self.folder / "state.todo2.json.lock"):
            state = json.loads(self.path.read_text())
            found = next(todo for todo in state["todos"] if todo["id"] == task)
            if found.get("assignee"):
                return False
            found["assignee"] = {"name": name, "type": "agent"}
            replace(self.path, state, synced=self.synced)
        return True


class TaskFiles:
    """A file for each task, which is claimed by being written elsewhere under a lock file of its own."""

    def __init__(self, folder: Path) -> None:
        self.available, self.claimed = folder / "available", folder / "claimed"

    def fill(self, count: int) -> None:
        self.available.mkdir()
        self.claimed.mkdir()
        for n in range(count):
            content = {"task_id": f"task-{n}", "description": f"item {n}"}
            (self.available / f"task-{n}.json").write_text(json.dumps(content))

    def claim(self, task: str, agent: str) -> bool:
        path = self.available / f"{task}.json"
        with locked(self.available / f"{task}.lock"):
            if not path.exists():
                return False
            content = json.loads(path.read_text())
            content.update(claimed_by=agent, claimed_at=time.time())
            descriptor, temporary = tempfile.mkstemp(dir=self.claimed)
            with os.fdopen(descriptor, "w") as file:
                file.write(json.dumps(content))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.claimed / path.name)
            path.unlink()
        return True


class Database:
    """A table of tasks, of which the oldest open one is assigned by a statement in a transaction of its own."""

    def __init__(self, folder: Path, *, synced: bool) -> None:
        self.path = folder / "tasks.db"
        self.db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")

    def fill(self, count: int) -> None:
        self.db.execute(
            "CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, agent_type TEXT, status TEXT,"
            " priority INTEGER, assigned_to TEXT, assigned_at REAL, created_at REAL)"
        )
        self.db.execute("CREATE INDEX open ON tasks (status, agent_type, created_at)")
        self.db.execute("BEGIN")
        rows = ((f"t{n}", f"item {n}", "claude", "pending", 0, None, None, n) for n in range(count))
        self.db.executemany("INSERT INTO tasks VALUES (?,?,?,?,?,?,?,?)", rows)
        self.db.execute("COMMIT")

    def step(self, agent: str) -> bool:
        """Assigns the next task."""
        self.db.execute("BEGIN IMMEDIATE")
        given = self.db.execute(
            "UPDATE tasks SET status = 'assigned', assigned_to = ?, assigned_at = ? WHERE id ="
            " (SELECT id FROM tasks WHERE status = 'pending' AND agent_type = 'claude'"
            " ORDER BY created_at LIMIT 1) RETURNING id",
            (agent, time.time()),
        ).fetchone()
        self.db.execute("COMMIT")
        return given is not None
