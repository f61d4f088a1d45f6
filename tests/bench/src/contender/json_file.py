"""Agents that share a JSON file: whoever wants a task locks the file, reads it whole, and writes it whole."""

import argparse
import fcntl
import json
import os
import sys
import time


def claim(directory, agent):
    path = os.path.join(directory, "tasks.json")
    with open(path + ".lock", "a") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with open(path) as file:
            board = json.load(file)
        task = next((task for task in board["tasks"] if task["status"] == "pending"), None)
        if task is None:
            return False
        task["status"] = "in_progress"
        task["agent"] = agent
        task["attempts"] += 1
        task["since"] = time.time()
        fresh = path + ".new"
        with open(fresh, "w") as file:
            json.dump(board, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        os.rename(fresh, path)
        return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--agent", required=True)
    parser.add_argument("--ms", type=int, required=True)
    parser.add_argument("boards", nargs="+")
    arguments = parser.parse_args()
    print("ready", flush=True)
    sys.stdin.readline()
    ns = []
    began = last = time.monotonic_ns()
    end = began + arguments.ms * 1_000_000
    for board in arguments.boards:
        while last < end:
            claimed = claim(board, arguments.agent)
            now = time.monotonic_ns()
            if claimed:
                ns.append(now - last)
            last = now
            if not claimed:
                break
    print(json.dumps({"ns": ns, "whole_ns": last - began}))


main()
