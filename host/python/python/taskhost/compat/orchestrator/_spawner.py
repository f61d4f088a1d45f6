"""Agents as processes."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from taskhost._process import PerProcess
from taskhost.board import Board, board_id
from taskhost.command import find_command
from taskhost.compat.orchestrator._handover import Handover
from taskhost.compat.orchestrator._kinds import AgentType, open_board
from taskhost.compat.orchestrator._process import Spawned
from taskhost.errors import Refused, UsageError

__all__ = ["AgentSpawner", "TooManyAgents"]

_log = logging.getLogger("taskhost.compat.orchestrator")

_COMMANDS: Mapping[AgentType, Sequence[str]] = {
    AgentType.CLAUDE: ("claude", "-p", "{data.description}"),
    AgentType.CODEX: ("codex", "exec", "{data.description}"),
    AgentType.GEMINI: ("gemini", "-p", "{data.description}"),
}


class TooManyAgents(Refused, RuntimeError):
    """As many agents run as may: wait for one, or allow more."""


@dataclass(eq=False)
class _Running:
    """What a process has spawned. A forked child has spawned nothing yet."""

    agents: dict[str, Spawned] = field(default_factory=dict)
    starting: int = 0
    total: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def active(self) -> list[Spawned]:
        return [agent for agent in list(self.agents.values()) if not agent.ended.is_set()]


class AgentSpawner:
    """Runs agents, each for one task, at most ``max_agents`` at once.

    ::

        commands = {AgentType.CUSTOM: ["./review.sh", "{id}", "--", "{data.description}"]}
        with AgentSpawner(max_agents=5, commands=commands) as spawner:
            agent_id = spawner.spawn_agent(AgentType.CUSTOM, task_id, "port the form")
            print(spawner.wait_for_agent(agent_id)["status"])

    Each agent is a ``taskhost run`` of its own: ``{id}``, ``{type}`` and ``{data.FIELD}`` in its command are replaced,
    its claim is kept alive while it works, its output is kept in the board's ``output``, and its task is completed if
    the command exits with 0 and has failed otherwise. If the agent dies, its task comes back at once. See
    ``taskhost run --help`` for the environment and the input that a command gets.

    ``commands`` are in place of the usual ones (``claude -p``, ``codex exec``, ``gemini -p``), or beside them.
    ``working_dir`` and ``env`` are the commands'; what is in ``env`` is added to this process's. After
    ``task_timeout`` seconds an attempt has failed. A command that is to end is asked first, and killed with all that
    it started after ``grace`` seconds.

    What still runs when the spawner is closed, or when this process ends, is ended too, unless ``keep_running``.
    """

    def __init__(
        self,
        max_agents: int = 5,
        *,
        db_path: str | os.PathLike[str] | None = None,
        commands: Mapping[AgentType, Sequence[str]] | None = None,
        working_dir: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        task_timeout: float | None = None,
        grace: float = 5.0,
        keep_running: bool = False,
    ) -> None:
        if max_agents < 1:
            raise UsageError(f"{max_agents} agents can't do anything: allow at least one")
        self.max_agents = max_agents
        self.board: Board = open_board(db_path)
        self.commands = {**_COMMANDS, **(commands or {})}
        self.working_dir = None if working_dir is None else Path(working_dir)
        self.grace = grace
        self.keep_running = keep_running
        self.env = dict(env or {})
        self._task_timeout = task_timeout
        self._running = PerProcess(_Running)
        self._is_closed = False

    # Spawning

    def spawn_agent(
        self,
        agent_type: AgentType,
        task_id: str,
        task_description: str,
        context: Mapping[str, Any] | None = None,
    ) -> str:
        """Has an agent work on a task, and gives the agent's id.

        The task may be one that :meth:`TaskQueue.get_and_assign_next_task` has just given to somebody, who passes it
        on with this; one that nobody has yet, or that had failed; or a new one, which is added. The description, and
        what is in ``context``, are put into its data.

        Raises :class:`TooManyAgents` if as many run as may, :class:`taskhost.Taken` if the task is with somebody else,
        :class:`taskhost.Invalid` if it is done, and :class:`FileNotFoundError` if there is no such command.
        """
        command = self._command(agent_type)
        self._take_place()
        running = self._running.get()
        agent: Spawned | None = None
        try:
            agent = self._start(agent_type, task_id, task_description, context, command)
        finally:
            # In one step, or it would count twice for a moment.
            with running.lock:
                running.starting -= 1
                if agent is not None:
                    running.agents[agent.agent_id] = agent
                    running.total += 1
        _with_agents.add(self)
        agent.watch()
        if self._is_closed:
            # By another thread, which didn't see this agent yet.
            agent.ask_to_end()
        about = {"agent_id": agent.agent_id, "task_id": task_id}
        _log.info("agent %s started on task %s", agent.agent_id, task_id, extra=about)
        return agent.agent_id

    # Looking

    def get_agent_status(self, agent_id: str) -> dict[str, Any] | None:
        """How an agent is doing; ``None`` if there is none of this id here.

        ``status`` is ``running``, ``completed``, ``failed`` (``error`` says why) or ``terminated``. Beside it stand
        ``agent_id``, ``agent_type``, ``task_id``, ``running``, ``started_at``, ``duration`` in seconds, ``pid`` (of its
        ``taskhost run``) and ``output_dir``.
        """
        agent = self._find(agent_id)
        return None if agent is None else agent.as_dict()

    def list_agents(self) -> list[dict[str, Any]]:
        """How all agents are doing that were spawned here and not cleaned up."""
        return [agent.as_dict() for agent in list(self._running.get().agents.values())]

    get_all_agents = list_agents

    def get_agent_output(self, agent_id: str, *, stream: str | None = None) -> str | None:
        """What an agent has printed so far; ``None`` if there is none of this id here.

        First its standard output, then its standard error; or just the ``stream`` ``stdout`` or ``stderr``.
        """
        if stream not in (None, "stdout", "stderr"):
            raise UsageError(f"`{stream}` is no stream: say `stdout` or `stderr`, or neither for both")
        agent = self._find(agent_id)
        if agent is None:
            return None
        return "".join(map(agent.printed, ("stdout", "stderr") if stream is None else (stream,)))

    def get_resource_stats(self) -> dict[str, Any]:
        """How many agents run, ``active_agents``, how many may, ``max_agents``, and how the others ended."""
        running = self._running.get()
        by_status: dict[str, int] = {}
        by_type: dict[str, int] = {}
        for agent in list(running.agents.values()):
            standing = agent.standing
            by_status[standing] = by_status.get(standing, 0) + 1
            if standing == "running":
                by_type[agent.agent_type.value] = by_type.get(agent.agent_type.value, 0) + 1
        with running.lock:
            active = len(running.active()) + running.starting
        return {
            "active_agents": active,
            "max_agents": self.max_agents,
            "available_slots": max(self.max_agents - active, 0),
            "total_spawned": running.total,
            "by_status": by_status,
            "active_by_type": by_type,
        }

    # Ending

    def wait_for_agent(
        self, agent_id: str, timeout: float | None = None
    ) -> dict[str, Any] | None:
        """Waits for an agent's end, at most ``timeout`` seconds, and says how it is doing then."""
        agent = self._find(agent_id)
        if agent is None:
            return None
        agent.ended.wait(timeout)
        return agent.as_dict()

    def terminate_agent(self, agent_id: str) -> bool:
        """Ends an agent and hands its task back; says ``False`` if none of this id runs here."""
        agent = self._find(agent_id)
        if agent is None or agent.ended.is_set():
            return False
        agent.ask_to_end()
        return agent.see_to_its_end()

    kill_agent = terminate_agent

    def cleanup_finished(self) -> int:
        """Forgets agents that have ended, and says how many; their output stays on the board."""
        agents = self._running.get().agents
        ended = [id for id, agent in list(agents.items()) if agent.ended.is_set()]
        # Of two that clean up at once, each counts what it has forgotten itself.
        return sum(agents.pop(id, None) is not None for id in ended)

    cleanup = cleanup_finished

    def close(self) -> None:
        """Ends all agents that still run, unless they are to be kept, and spawns no more. Twice is once."""
        self._is_closed = not self.keep_running
        _with_agents.discard(self)
        running = self._running.peek()
        # A forked child has no part in what its parent has spawned.
        if running is None or self.keep_running:
            return
        active = running.active()
        for agent in active:
            agent.ask_to_end()
        for agent in active:
            agent.see_to_its_end()

    def __enter__(self) -> AgentSpawner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<AgentSpawner on {self.board!r}>"

    # One step each

    def _command(self, agent_type: AgentType) -> list[str]:
        example = f'{{AgentType.{agent_type.name}: ["program", "{{data.description}}"]}}'
        how = f"give `AgentSpawner` one: `commands={example}`"
        command = list(self.commands.get(agent_type, ()))
        if not command:
            raise UsageError(f"there is no command for `{agent_type.value}`: {how}")
        if shutil.which(command[0], path=self._environment().get("PATH")) is None:
            raise FileNotFoundError(
                f"the command `{command[0]}` isn't there: install it, or {how}"
            )
        # If it is missing too, better now than when the task has been taken from whoever passes it on.
        find_command()
        return command

    def _take_place(self) -> None:
        if self._is_closed:
            raise UsageError("this spawner was closed: make another one")
        running = self._running.get()
        with running.lock:
            active = len(running.active()) + running.starting
            if active >= self.max_agents:
                raise TooManyAgents(
                    f"{active} agents run already: wait for one with `wait_for_agent`, or allow more with `max_agents`",
                    code="too_many_agents",
                    retryable=True,
                    details={"active_agents": active, "max_agents": self.max_agents},
                )
            running.starting += 1

    def _start(
        self,
        agent_type: AgentType,
        task_id: str,
        description: str,
        context: Mapping[str, Any] | None,
        command: list[str],
    ) -> Spawned:
        id = board_id(task_id)
        agent_id = f"{agent_type.value}-{id[:80]}-{uuid.uuid4().hex[:8]}"
        handover = Handover(self.board, id, agent_id)
        process: subprocess.Popen[bytes] | None = None
        try:
            with handover.prepared(agent_type.value, description, context) as task:
                process = self._run(agent_id, handover.label, task.needs, command)
        except BaseException:
            # It must not get the task after all, now that nobody would know of it.
            if process is not None:
                process.terminate()
                process.communicate()
            handover.tidy()
            raise
        return Spawned(
            agent_id, agent_type, task_id, self.board, id, process, self.grace, handover.tidy
        )

    def _run(
        self, agent_id: str, label: str, needs: Sequence[str], command: list[str]
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._arguments(agent_id, label, needs, command),
            cwd=self.working_dir,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # What is typed at the terminal is for this process, which ends its agents in its own time.
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.env}

    def _arguments(
        self, agent_id: str, label: str, needs: Sequence[str], command: list[str]
    ) -> list[str]:
        options = ["--agents", "1", "--name", agent_id, "--label", label]
        # Whoever spawns an agent for a task says that it can do it.
        options += [option for need in needs for option in ("--capability", need)]
        options += ["--output", "failed", "--grace", _duration(self.grace)]
        if self._task_timeout is not None:
            options += ["--task-timeout", _duration(self._task_timeout)]
        board = str(self.board.path.absolute())
        return [str(find_command()), "--board", board, "--json", "run", *options, "--", *command]

    def _find(self, agent_id: str) -> Spawned | None:
        return self._running.get().agents.get(agent_id)


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


_with_agents: set[AgentSpawner] = set()
"""Kept, since agents are ended with this process even if nobody remembers their spawner."""


@atexit.register
def _close_all() -> None:
    for spawner in list(_with_agents):
        spawner.close()
