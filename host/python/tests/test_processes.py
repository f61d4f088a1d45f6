"""Threads, processes, forks and deaths."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

import taskhost

WORKERS = 4
TASKS = 200


def _claim_one(path: Path, name: str) -> str | None:
    """Claims the task `t`; gives the name of whoever has it if it is somebody else."""
    try:
        claim = taskhost.Board(path).agent(name, living=False).claim("t")
    except taskhost.Taken as taken:
        return taken.holder
    assert claim is not None
    return None


# Teams' own boards gave one task to two agents: the check and the write were two steps, or the lock's file was deleted
# under those who waited for it.
@pytest.mark.parametrize("processes,threads", [(1, 16), (8, 1), (4, 4)])
def test_of_many_who_claim_one_task_at_once_one_wins(
    board: taskhost.Board, processes: int, threads: int
) -> None:
    board.add("t", id="t")
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        parts = [pool.submit(_claim_in_threads, board.path, n, threads) for n in range(processes)]
        answers = [answer for part in parts for answer in part.result()]
    winners = [answer for answer in answers if answer is None]
    claim = board.task("t").claim
    assert len(answers) == processes * threads and len(winners) == 1
    assert claim is not None and {a for a in answers if a is not None} <= {claim.agent}


def _claim_in_threads(path: Path, process: int, threads: int) -> list[str | None]:
    together = threading.Barrier(threads)

    def claim(thread: int) -> str | None:
        together.wait()
        return _claim_one(path, f"{process}-{thread}")

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(claim, range(threads)))


def _work_off(path: Path, process: int) -> list[str]:
    """What the threads of one process, over one board, have completed."""
    board = taskhost.Board(path, timeout=60)
    done: list[str] = []

    def work(thread: int) -> None:
        with board.agent(f"{process}-{thread}") as agent:
            for claim in agent.claims():
                done.append(claim.id)
                claim.complete()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    return done


def test_threads_of_processes_do_each_task_once(board: taskhost.Board) -> None:
    board.add_all({"type": "t", "id": f"t{n}"} for n in range(TASKS))
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        done = [task for part in pool.map(_work_off, [board.path] * 2, range(2)) for task in part]
    assert sorted(done) == sorted(f"t{n}" for n in range(TASKS))
    assert board.counts().by_status["completed"] == TASKS


def _in_child(act: object) -> int:
    """Runs `act` in a forked child of this process and its threads; gives its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if act() else 2  # type: ignore[operator]
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# A child that was forked with a handle had its parent's locks and its parent's place in the index: it could commit in
# its parent's name, and its end let the parent's tasks go.
def test_forked_child_has_its_own_board_and_takes_nothing_of_its_parents(
    board: taskhost.Board,
) -> None:
    board.add_all({"type": "t", "id": f"t{n}"} for n in range(3))
    agent = board.agent("ada")
    mine = agent.claim()
    assert mine is not None
    session = agent.session
    lock = board.lock_task("locked")

    def child() -> bool:
        claim = agent.claim()
        lock.release()
        board.add("t", id="from-child")
        return (
            claim is not None
            and claim.id == "t1"
            and agent.session != session
            and board.task("t0").claim is not None
        )

    assert _in_child(child) == 0
    assert board.task("from-child").status == "pending"
    # The child's session ended with it, the parent's didn't.
    assert board.agent("bob").claim("t1", wait=30) is not None
    with pytest.raises(taskhost.LockTimeout):
        taskhost.Board(board.path).lock_task("locked", timeout=0.05)
    assert agent.session == session
    mine.complete()


def test_child_forked_amid_other_threads_work_can_work(board: taskhost.Board) -> None:
    board.add_all({"type": "t", "id": f"t{n}"} for n in range(300))
    stop = threading.Event()

    def work() -> None:
        with board.agent("thread", living=False) as agent:
            while not stop.is_set():
                claim = agent.claim()
                if claim is not None:
                    claim.release()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for n in range(5):
            assert _in_child(lambda n=n: board.add("t", id=f"child{n}").status == "pending") == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {f"child{n}" for n in range(5)} <= {task.id for task in board.tasks()}


def _hold_and_sleep(path: Path) -> subprocess.Popen[str]:
    program = (
        "import sys, time, taskhost\n"
        "agent = taskhost.Board(sys.argv[1]).agent('doomed')\n"
        "print(agent.claim('t').token, flush=True)\n"
        "time.sleep(600)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, os.fspath(path)], stdout=subprocess.PIPE, text=True
    )


# One waited a day for the task of a worker that had been dead since breakfast, because only the age of its lock told.
def test_task_of_a_killed_process_comes_back_at_once(board: taskhost.Board) -> None:
    board.add("t", id="t")
    holder = _hold_and_sleep(board.path)
    assert holder.stdout is not None and holder.stdout.readline() == "1\n"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    # Its lease would go on for half an hour.
    claim = board.agent("ada").claim("t", wait=30)
    assert claim is not None and claim.token == 2 and claim.task.attempts == 2


def test_waiting_lets_other_threads_run_and_hears_ctrl_c(board: taskhost.Board) -> None:
    program = (
        "import signal, sys, threading, taskhost\n"
        # What a shell starts in the background is told to ignore Ctrl-C, and so is all that it starts.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "agent = taskhost.Board(sys.argv[1]).agent('w')\n"
        "threading.Timer(0.2, lambda: print('another thread runs', flush=True)).start()\n"
        "try: agent.claim(wait=60)\n"
        "except KeyboardInterrupt: print('interrupted', flush=True)\n"
    )
    waiter = subprocess.Popen(
        [sys.executable, "-c", program, os.fspath(board)], stdout=subprocess.PIPE, text=True
    )
    assert waiter.stdout is not None
    assert waiter.stdout.readline() == "another thread runs\n"
    waiter.send_signal(signal.SIGINT)
    assert waiter.stdout.readline() == "interrupted\n"
    assert waiter.wait(timeout=30) == 0
