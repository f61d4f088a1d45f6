"""A spawned agent: one ``taskhost run`` for one task, and what became of it."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from taskhost.board import Board
from taskhost.compat.orchestrator._kinds import AgentType
from taskhost.errors import TaskhostError

__all__ = ["Spawned"]

_log = logging.getLogger("taskhost.compat.orchestrator")

_LOOK = 1.0
"""How many seconds it may take until it is noticed that an agent has ended without a task."""

_SLACK = 10.0
"""How many seconds beyond its commands' grace `taskhost run` has to hand its task back."""


@dataclass(eq=False)
class Spawned:
    """An agent and its process. A thread waits for the process, so that none is left a zombie."""

    agent_id: str
    agent_type: AgentType
    task_id: str
    board: Board
    board_task: str
    process: subprocess.Popen[bytes]
    grace: float
    tidy: Callable[[], None]
    """Called when it has its task, and again when it has ended, before that is told."""

    ended: threading.Event = field(default_factory=threading.Event)
    error: str | None = None
    to_end: bool = False
    _began: float = field(default_factory=time.monotonic)
    _lasted: float | None = None
    _how: str = "failed"
    _started_at: str = field(default_factory=lambda: datetime.now().isoformat())

    def watch(self) -> None:
        """Begins to wait for its end."""
        name = f"taskhost-spawned-{self.agent_id}"
        threading.Thread(target=self._wait, name=name, daemon=True).start()

    @property
    def standing(self) -> str:
        """``running``, or how it ended."""
        return self._how if self.ended.is_set() else "running"

    def printed(self, name: str) -> str:
        """What it has printed so far on ``stdout`` or ``stderr``."""
        folder = self.output_dir()
        try:
            return "" if folder is None else (folder / name).read_text(errors="replace")
        except FileNotFoundError:
            # It is just beginning, or what it printed was removed.
            return ""

    def as_dict(self) -> dict[str, Any]:
        """What :meth:`AgentSpawner.get_agent_status` tells."""
        standing, lasted = self.standing, self._lasted
        folder = self.output_dir()
        return {
            "agent_id": self.agent_id,
            "agent_type": self.agent_type.value,
            "task_id": self.task_id,
            "status": standing,
            "running": standing == "running",
            "started_at": self._started_at,
            "duration": time.monotonic() - self._began if lasted is None else lasted,
            "error": self.error,
            "pid": self.process.pid,
            "output_dir": None if folder is None else str(folder),
        }

    def output_dir(self) -> Path | None:
        """Where what it prints is kept: the one of its task's attempts that is its own; ``None`` before it begins."""
        attempts = (self.board.path / "output" / self.board_task).glob("*/task.json")
        for given in sorted(attempts, reverse=True):
            try:
                task = json.loads(given.read_bytes())
            except (FileNotFoundError, ValueError):
                # It is just being written, or removed.
                continue
            if (task.get("claim") or {}).get("agent") == self.agent_id:
                return given.parent
        return None

    def ask_to_end(self) -> None:
        """Has its command ended, with all that it started, and its task handed back. Doesn't wait for it."""
        self.to_end = True
        self.process.send_signal(signal.SIGTERM)

    def see_to_its_end(self) -> bool:
        """Waits for its end after it was asked; if that takes too long, makes an end of it."""
        if self.ended.wait(self.grace + _SLACK):
            return True
        # A second request means at once.
        self.process.send_signal(signal.SIGTERM)
        if self.ended.wait(_SLACK):
            return True
        _log.error("agent %s doesn't end, so its `taskhost run` is killed", self.agent_id)
        self.process.kill()
        return self.ended.wait(_SLACK)

    def _wait(self) -> None:
        try:
            self._tidied(self._await_claim)
            out, err = self.process.communicate()
            self._how, self.error = self._outcome(out, err.decode(errors="replace").strip())
            self._tidied(self.tidy)
            level = logging.INFO if self.error is None else logging.WARNING
            about = {"agent_id": self.agent_id, "task_id": self.task_id, "status": self._how}
            _log.log(level, "agent %s %s", self.agent_id, self._how, extra=about)
        except Exception as error:
            self._how, self.error = "failed", f"{type(error).__name__}: {error}"
            _log.exception("it isn't known what became of agent %s", self.agent_id)
        finally:
            # Whatever goes wrong here, nobody waits for ever, and its place is free.
            self._lasted = time.monotonic() - self._began
            self.ended.set()

    def _tidied(self, step: Callable[[], None]) -> None:
        try:
            step()
        except TaskhostError as error:
            _log.warning("agent %s: its task isn't tidied up: %s", self.agent_id, error)

    def _await_claim(self) -> None:
        """Waits until the agent has its task, and tidies up then: nobody may be there to do it at the end."""
        while self.process.poll() is None:
            task = self.board.task(self.board_task)
            if task.claim is not None and task.claim.agent == self.agent_id:
                self.tidy()
                return
            if task.is_finished:
                return
            self.board.wait(_LOOK)

    def _outcome(self, out: bytes, err: str) -> tuple[str, str | None]:
        """How it ended, from what `taskhost run --json` said of it."""
        try:
            said = json.loads(out)
        except ValueError:
            said = {}
        if said.get("completed") or said.get("in_review"):
            return "completed", None
        if said.get("failed") or said.get("retried"):
            return "failed", err or "its command failed"
        if self.to_end or said.get("stopped_by"):
            return "terminated", None
        if "error" in said:
            return "failed", str(said["error"].get("message"))
        if said.get("lost"):
            return "failed", "its task was given to somebody else meanwhile"
        if self.process.returncode == 0:
            return "failed", f"it didn't get its task: `taskhost explain {self.board_task}` says why"
        return "failed", err or f"`taskhost run` ended with {self.process.returncode}"
