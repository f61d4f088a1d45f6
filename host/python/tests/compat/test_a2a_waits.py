"""``TaskPool``: how long a claim waits."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from taskhost import Board
from taskhost.compat.a2a import TaskPool


# An agent said that it waits half a second at most. Somebody had the board locked, and the agent stood still for ten,
# since only the last of all locks knew how long to wait.
@pytest.mark.parametrize("place", ["available", "claimed", "nowhere", "board"])
def test_claim_waits_for_a_locked_board_no_longer_than_it_says(tmp_path: Path, place: str) -> None:
    pool = TaskPool(tmp_path / "tasks")
    if place == "board":
        pool.create_task({"task_id": "t"})
    elif place != "nowhere":
        file = tmp_path / "tasks" / place / "t.json"
        file.write_text(json.dumps({"task_id": "t", "status": place}))
    with Board(pool.board.path).lock(who="an operator"):
        began = time.monotonic()
        assert pool.claim_task("t", "ada", timeout=0.2) is None
        # Not the board's own ten seconds.
        assert time.monotonic() - began < 5


# Each claim with a timeout of its own opened the board anew, and didn't close it: 250 descriptors after 50 claims.
def test_claims_with_a_timeout_leave_nothing_open(tmp_path: Path) -> None:
    pool = TaskPool(tmp_path / "tasks")
    pool.create_task({"task_id": "first"})
    assert pool.claim_task("first", "ada", timeout=5.0)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        id = pool.create_task({"task_id": f"t{number}"})
        assert pool.claim_task(id, "ada", timeout=5.0)
    assert len(os.listdir("/proc/self/fd")) <= before + 3
