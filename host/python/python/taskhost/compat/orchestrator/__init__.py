"""``TaskQueue``, ``AgentSpawner`` and ``ContextManager``: tasks, the agents that work on them, and what they share.

::

    from taskhost.compat.orchestrator import AgentSpawner, AgentType, ContextManager, TaskQueue

    queue = TaskQueue()
    with AgentSpawner(max_agents=5, commands={AgentType.CLAUDE: ["claude", "-p", "{data.description}"]}) as spawner:
        queue.add_task("port the form to the new API", "claude")
        while task := queue.get_and_assign_next_task("claude", "dispatcher"):
            agent_id = spawner.spawn_agent(AgentType.CLAUDE, task["id"], task["description"])
            spawner.wait_for_agent(agent_id)
            ContextManager().add_agent_output(agent_id, task["id"], spawner.get_agent_output(agent_id))

Without arguments, all three work on the board beside ``tasks.db`` in the current directory, ``tasks.db.taskhost``. An
SQLite file of that name is brought along when a queue is opened, and left where it is. Threads, processes and machines'
reboots are all the same to a board; each object may be used by any number of threads, and in forked children too.
"""

from taskhost.compat.orchestrator._context import ContextManager
from taskhost.compat.orchestrator._kinds import AgentType, Priority, QueuedTask, TaskStatus
from taskhost.compat.orchestrator._queue import TaskQueue
from taskhost.compat.orchestrator._spawner import AgentSpawner, TooManyAgents

__all__ = [
    "AgentSpawner",
    "AgentType",
    "ContextManager",
    "Priority",
    "QueuedTask",
    "TaskQueue",
    "TaskStatus",
    "TooManyAgents",
]
