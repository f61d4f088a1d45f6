"""How a task comes to the one agent that was spawned for it.

``taskhost run`` claims for itself, so the task is reserved for the agent, whose name is used once, and has a label that
only its ``run`` asks for. All of that is done while the task is locked by hand: from when its claim is given up until
it is reserved, nobody is given it, and if this process dies in between, the task is everybody's again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from taskhost.board import Board
from taskhost.compat.orchestrator._kinds import QUEUE_SESSION
from taskhost.errors import Invalid, NotFound, Taken
from taskhost.task import Task

__all__ = ["Handover"]

_LABEL = "spawned:"

_STARTING_S = 60.0
"""An agent that hasn't claimed its task after so many seconds never will: the process that spawned it has died."""


class Handover:
    """One task on its way to one agent."""

    def __init__(self, board: Board, id: str, agent_id: str) -> None:
        self._board = board
        self._id = id
        self._agent = agent_id
        self.label = _LABEL + agent_id
        """What the agent is to ask for."""

    @contextmanager
    def prepared(
        self, type: str, description: str, context: Mapping[str, Any] | None
    ) -> Iterator[Task]:
        """Gives the task; at the end of the ``with`` statement it is the agent's.

        The agent is started inside: if it can't be, the task is nobody's.
        """
        board, id, by = self._board, self._id, self._agent
        with board.lock_task(id, who=f"{by}, which is being started"):
            task = self._find_or_add(type, description)
            self._free(task)
            others = [label for label in task.labels if label.startswith(_LABEL)]
            board.update(
                id,
                data=_with(task.data, description, context),
                add_labels=[self.label],
                remove_labels=others,
                by=by,
            ).check()
            yield task
            board.assign(id, by, by=by).check()

    def tidy(self) -> None:
        """Takes away again what led the task to the agent, once it has claimed it, or has ended.

        A finished task keeps what it has, for the next agent to find.
        """
        try:
            self._board.unassign(self._id, name=self._agent, by=self._agent)
            self._board.update(self._id, remove_labels=[self.label], by=self._agent)
        except NotFound:
            # Archived meanwhile.
            pass

    def _find_or_add(self, type: str, description: str) -> Task:
        try:
            return self._board.task(self._id)
        except NotFound:
            return self._board.add(type, id=self._id, data={"description": description})

    def _free(self, task: Task) -> None:
        """Takes the task back from whoever passes it on; raises what speaks against that."""
        id, board = self._id, self._board
        if task.status == "in_progress" and task.claim is not None:
            if not task.claim.session.startswith(QUEUE_SESSION):
                raise _taken(id, task.claim.agent, "claimed by")
            board.release(id, task.claim.agent, token=task.claim.token, reason="handed to an agent")
        elif task.status in ("failed", "cancelled"):
            board.retry(id, reason="an agent was spawned", by=self._agent).check()
        elif task.status != "pending":
            raise Invalid(
                f"`{id}` is {task.status}: spawn an agent for one that is still to be done",
                code="invalid_transition",
                details={"task": id, "status": task.status},
            )
        if task.assignee is not None:
            if not _is_left_over(task):
                raise _taken(id, task.assignee.name, "reserved for")
            board.unassign(id, name=task.assignee.name, by=self._agent).check()


def _is_left_over(task: Task) -> bool:
    """Whether the task is reserved for an agent that was spawned for it and has ended, or never began."""
    assert task.assignee is not None
    if _LABEL + task.assignee.name not in task.labels:
        return False
    age = datetime.now(timezone.utc) - task.updated_at
    return task.status != "pending" or age.total_seconds() > _STARTING_S


def _taken(id: str, holder: str, how: str) -> Taken:
    return Taken(
        f"`{id}` is {how} `{holder}`: wait for it, or spawn an agent for another task",
        code="claimed" if how == "claimed by" else "reserved",
        details={"task": id, "holder": holder},
    )


def _with(data: Any, description: str, context: Mapping[str, Any] | None) -> Any:
    """A task's data with what its agent is told."""
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise Invalid(
            "the task's data isn't an object, so there is no place for a description in it",
            code="invalid_data",
        )
    was = data.get("context")
    told = {**(was if isinstance(was, dict) else {}), **(context or {})}
    return {**data, "description": description, **({"context": told} if context else {})}
