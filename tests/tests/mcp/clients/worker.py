"""An agent that works off a board through the Python library, and leaves a file for each task that it has done.

Its second argument is the directory of the files, and the third which of its claims it stops at, as in `1,3`: then it says so,
and goes on when it is told to by a line. Ends with 3 when its server is gone.
"""

import sys
from pathlib import Path

import anyio
from mcp import MCPError

from connect import connect

REFUSED, SERVER_GONE = 1, 3


class Refused(Exception):
    """The server, or another worker's file, says no."""


async def call(client, tool, arguments):
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise Refused(f"{tool}: {result.structured_content}")
    return result.structured_content


async def work(client, done, stops_at):
    claims = 0
    while True:
        got = await call(client, "board_next", {"wait_s": 30})
        task = got["task"]
        if task is None:
            if got["reason"] == "empty":
                return
            continue
        claims += 1
        if claims in stops_at:
            print(f"holding {task['id']}", flush=True)
            await anyio.to_thread.run_sync(sys.stdin.readline)
        await call(client, "board_heartbeat", {"id": task["id"]})
        for other in task["after"]:
            if not (done / other).exists():
                raise Refused(f"`{task['id']}` was given before `{other}` was done")
        with open(done / task["id"], "x") as file:
            file.write(task["claim"]["agent"])
        await call(client, "board_finish", {"id": task["id"], "outcome": "complete"})


async def main():
    done = Path(sys.argv[2])
    stops_at = [int(number) for number in sys.argv[3].split(",")]
    code = 0
    try:
        async with connect() as client:
            await work(client, done, stops_at)
    except* (MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError):
        code = SERVER_GONE
    except* (Refused, FileExistsError) as errors:
        print(errors.exceptions, file=sys.stderr)
        code = REFUSED
    return code


sys.exit(anyio.run(main))
