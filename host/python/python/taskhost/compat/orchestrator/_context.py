"""What agents tell each other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from taskhost.board import Board, board_id
from taskhost.compat.orchestrator._kinds import open_board
from taskhost.locks import FileLock, HeldLock

__all__ = ["ContextManager"]

_GLOBAL = "orchestrator:global"
"""The agent in whose name stands what is everybody's."""

_TASK = "orchestrator:context"
_OUTPUTS = "outputs-of:"
_LOCK_TIMEOUT = 10.0


class ContextManager:
    """Values for a task, outputs of agents on it, and values for everybody.

    They stand on the board of :class:`TaskQueue`, or, with a ``context_dir``, on one beside that directory. Each value
    is replaced as a whole and durably; updates and outputs at the same time are all kept. Ids and keys may be any
    texts. A value has at most 64 MiB, and so have all outputs of one agent on one task.
    """

    def __init__(
        self,
        context_dir: str | os.PathLike[str] | None = None,
        *,
        db_path: str | os.PathLike[str] | None = None,
    ) -> None:
        self.board: Board = open_board(db_path if context_dir is None else context_dir)
        place = self.board.path
        # Changing a value means reading it first, which a board's own lock isn't held for.
        self._lock = FileLock(place.with_name(place.name + ".context.lock"))

    # A task's

    def set_task_context(self, task_id: str, context: Mapping[str, Any]) -> None:
        """Keeps this for a task, in place of what there was. The task need not be on the board."""
        self._change_task(task_id, lambda _: dict(context))

    def get_task_context(self, task_id: str) -> dict[str, Any] | None:
        """What is kept for a task; ``None`` if nothing is."""
        kept = self._read(_TASK, task=board_id(task_id))
        return None if kept is None else kept["context"]

    def update_task_context(self, task_id: str, updates: Mapping[str, Any]) -> dict[str, Any]:
        """Changes these keys of what is kept for a task, leaves all others, and gives all of it."""
        return self._change_task(task_id, lambda was: {**was, **updates})

    # What agents have said

    def add_agent_output(
        self,
        agent_id: str,
        task_id: str,
        output: Any,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds what an agent has to say on a task to what it and others have said."""
        said = {
            "agent_id": agent_id,
            "task_id": task_id,
            "output": output,
            "metadata": dict(metadata or {}),
            "created_at": _now(),
        }
        line = _encoded(said) + b"\n"
        self.board.append_context(_output_key(agent_id), line, task=board_id(task_id))

    def get_agent_outputs(self, task_id: str) -> list[dict[str, Any]]:
        """What agents have said on a task, the oldest first."""
        task = board_id(task_id)
        outputs: list[dict[str, Any]] = []
        for key in self.board.contexts(task=task):
            if key.startswith(_OUTPUTS):
                lines = (self.board.context(key, task=task) or b"").splitlines()
                outputs.extend(json.loads(line) for line in lines)
        return sorted(outputs, key=lambda output: str(output["created_at"]))

    # Everybody's

    def set_global_context(self, key: str, value: Any) -> None:
        """Keeps a value for everybody, in place of what there was."""
        kept = {"key": key, "value": value, "updated_at": _now()}
        self.board.set_context(board_id(key), _encoded(kept), agent=_GLOBAL)

    def get_global_context(self, key: str) -> Any:
        """A value for everybody; ``None`` if there is none."""
        kept = self._read(board_id(key), agent=_GLOBAL)
        return None if kept is None else kept["value"]

    def get_context_stats(self) -> dict[str, Any]:
        """How much is kept: ``total_files`` values, with ``total_size_bytes`` and ``total_size_mb`` in all.

        Of these, ``global_contexts`` are for everybody, ``tasks_with_context`` for a task each, and ``agent_outputs``
        of one agent on one task each. What other programs keep on the same board is in the totals only.
        """
        sizes = list(self._sizes())
        total = sum(size for _, _, size in sizes)
        return {
            "total_files": len(sizes),
            "total_size_bytes": total,
            "total_size_mb": total / (1024 * 1024),
            "global_contexts": sum(owner == ("agent", _GLOBAL) for owner, _, _ in sizes),
            "tasks_with_context": sum(
                owner[0] == "task" and key == _TASK for owner, key, _ in sizes
            ),
            "agent_outputs": sum(
                owner[0] == "task" and key.startswith(_OUTPUTS) for owner, key, _ in sizes
            ),
        }

    def __repr__(self) -> str:
        return f"<ContextManager on {self.board!r}>"

    def _change_task(
        self, task_id: str, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        with self._locked():
            context = change(self.get_task_context(task_id) or {})
            kept = {"task_id": task_id, "context": context, "updated_at": _now()}
            self.board.set_context(_TASK, _encoded(kept), task=board_id(task_id))
        return context

    def _locked(self) -> HeldLock:
        return self._lock.acquire(_LOCK_TIMEOUT)

    def _read(
        self, key: str, *, task: str | None = None, agent: str | None = None
    ) -> dict[str, Any] | None:
        value = self.board.context(key, task=task, agent=agent)
        if value is None:
            return None
        kept: dict[str, Any] = json.loads(value)
        return kept

    def _sizes(self) -> Iterator[tuple[tuple[str, str], str, int]]:
        for owner in self.board.context_owners():
            kind, name = owner
            of = {"task": name} if kind == "task" else {"agent": name}
            for key, size in self.board.contexts(**of).items():
                yield owner, key, size


def _output_key(agent_id: str) -> str:
    """Where an agent's outputs stand."""
    # A long id is valid on a board, but not with something before it: so it becomes one that isn't, and is shortened.
    return _OUTPUTS + board_id(agent_id if len(agent_id) <= 100 else agent_id + "/")


def _encoded(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def _now() -> str:
    return datetime.now().isoformat()
