"""The interfaces of five systems that taskhost replaces: change the import, keep the program.

=====================  ==========================================================================
:mod:`.task_manager`   ``TaskManager``: a JSON state file per workflow, tasks with a 24-hour lock
:mod:`.task_locking`   assignment of Todo2 tasks; :mod:`.file_lock` has its context managers
:mod:`.a2a`            ``TaskPool`` and ``A2AClient``: a directory of JSON files, one per task
:mod:`.file_ops`       ``FileLock``, ``safe_json_read``, ``safe_json_write``
:mod:`.orchestrator`   ``TaskQueue``, ``AgentSpawner``, ``ContextManager`` over SQLite and files
=====================  ==========================================================================

Names, parameters, defaults and return values are theirs; the guarantees are taskhost's. The tasks in their files are
brought along when these are first opened. Each board stands beside what it is named after: ``work.json.taskhost`` beside
``work.json``.
"""
