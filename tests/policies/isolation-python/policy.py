"""Tries, when it is asked for work, to reach what the setting `power` names, and answers with what it got.

What it can't have it answers as `refused`, with what Python says about it; what ends the hook, it doesn't live to tell.
"""

import os
import random
import socket
import sys
import time

from wit_world import exports
from wit_world.exports import about, assignment
from wit_world.imports import settings
from wit_world.imports.board import View
from wit_world.imports.transactions import Transaction
from wit_world.imports.types import Request

POWER = about.Setting("power", about.ValueType_Text(), "none", "What it tries to reach.")
TARGET = about.Setting("target", about.ValueType_Text(), "", "Where: a path, or a host with its port.")


class About(exports.About):
    def describe(self) -> about.Description:
        return about.Description("isolation", "0", "Tries what it may not.", [POWER, TARGET])


def read_file(target: str) -> str:
    with open(target) as file:
        return file.read()


def write_file(target: str) -> str:
    with open(target, "w") as file:
        return str(file.write("written by a policy"))


def connect(target: str) -> str:
    host, port = target.rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        # As bytes, which Python takes without the tables of international names.
        connection.connect((host.encode(), int(port)))
        return repr(connection.getpeername())


def wall_clock(_target: str) -> str:
    first = time.time()
    for _ in range(100_000):
        pass
    return f"{round(first * 1000)} {round(time.time() * 1000)}"


def sleep(_target: str) -> str:
    time.sleep(0.01)
    return "slept"


def thread(_target: str) -> str:
    import threading

    ran: list[str] = []
    running = threading.Thread(target=lambda: ran.append("ran"))
    running.start()
    running.join()
    return repr(ran)


def subprocess(_target: str) -> str:
    import subprocess

    return subprocess.run(["echo", "hello"], capture_output=True, text=True).stdout


POWERS = {
    "environment": lambda _: repr(dict(os.environ)),
    "arguments": lambda _: repr(sys.argv[1:]),
    "read-file": read_file,
    "write-file": write_file,
    "list-directory": lambda target: repr(os.listdir(target)),
    "socket": connect,
    "name-lookup": lambda target: repr(socket.getaddrinfo(b"localhost", 80)),
    "wall-clock": wall_clock,
    "entropy": lambda _: os.urandom(8).hex(),
    "random": lambda _: repr(random.SystemRandom().random()),
    "sleep": sleep,
    "thread": thread,
    "subprocess": subprocess,
}


class Assignment(exports.Assignment):
    def choose(self, view: View, tx: Transaction, request: Request) -> assignment.Answer:
        power = POWERS[settings.get("power") or ""]
        try:
            got = power(settings.get("target") or "")
        except BaseException as error:
            got = f"refused: {type(error).__name__}: {error}"
        return assignment.Answer_Nothing(got)
