// The longest remaining chain first: of all ready tasks, those are offered first that most work waits for, end to end.
//
// The contract says what a task comes after, not what comes after it. So when a task is created, it is remembered with
// each of those that it comes after; and whoever is ready further up is reconsidered, since more waits for it now.

import { now } from "taskhost:policy/clock@0.1.0";
import { get as setting } from "taskhost:policy/settings@0.1.0";
import { write as log } from "taskhost:policy/log@0.1.0";

/** How many tasks one look at the graph may touch: more would come near the deadline. */
const TOUCHED_MAX = 500;

/** The highest rank that the contract can say. */
const RANK_MAX = 2 ** 31 - 1;

/** @type {typeof import("taskhost:policy/about@0.1.0")} */
export const about = {
  describe() {
    return {
      name: "critical-path",
      version: "0.1.0",
      summary: "The longest remaining chain first.",
      settings: [
        {
          name: "estimate",
          valueType: { tag: "integer" },
          defaultValue: "1",
          doc: 'How long a task takes whose data has no `estimate`, as `{"estimate": 5}`; in any unit.',
        },
      ],
    };
  },
};

/** @type {typeof import("taskhost:policy/readiness@0.1.0")} */
export const readiness = {
  classify(view, task) {
    const rests = (task.notBefore() ?? 0n) > now();
    // What it waits for, and how that is said, stays with the standard policy.
    if (rests || !isFree(view, read(task))) return { tag: "standard" };
    // Lower ranks are offered first.
    return { tag: "ready", val: -Math.min(remaining(view, task.summary().id), RANK_MAX) };
  },
};

/** @type {typeof import("taskhost:policy/lifecycle@0.1.0")} */
export const lifecycle = {
  onEvent(view, tx, task, event) {
    const { id } = task.summary();
    switch (event) {
      case "created":
        for (const before of task.dependencies()) addNext(view, tx, before, id);
        reconsiderAbove(view, tx, id);
        break;
      // Another estimate, or a task that is, or isn't, waited for any more.
      case "updated":
      case "cancelled":
      case "retried":
        reconsiderAbove(view, tx, id);
        break;
      case "archived":
        tx.remember(nextKey(id), undefined);
        break;
    }
    return { tag: "standard" };
  },
};

/** How long it takes from the beginning of this task to the end of the last that waits for it. */
function remaining(view, id) {
  const known = new Map();
  const path = [id];
  while (path.length > 0) {
    const at = path[path.length - 1];
    const task = known.has(at) ? undefined : find(view, at);
    if (!task || task.isFinished) {
      if (!known.has(at)) known.set(at, 0);
      path.pop();
      continue;
    }
    const after = [...next(view, at), ...task.children];
    const unknown = after.filter((other) => !known.has(other));
    // Those that wait for it first; of a graph that is too large, as much as was seen.
    if (unknown.length > 0 && known.size + path.length < TOUCHED_MAX) {
      path.push(...unknown);
      continue;
    }
    const longest = Math.max(0, ...after.map((other) => known.get(other) ?? 0));
    known.set(at, task.estimate + longest);
    path.pop();
  }
  return known.get(id);
}

/** Has every ready task reconsidered that this one waits for, directly or not; and itself. */
function reconsiderAbove(view, tx, id) {
  const seen = new Set([id]);
  // A set is walked in the order in which it grows.
  for (const at of seen) {
    const task = find(view, at);
    if (!task) continue;
    if (task.status === "pending" && isFree(view, task) && !reconsider(tx, at)) return;
    if (task.isFinished && at !== id) continue;
    for (const before of task.before) {
      if (seen.size < TOUCHED_MAX) seen.add(before);
    }
  }
}

/** Has a task reconsidered. A command may stage only so many steps: whoever comes after those keeps the rank it has. */
function reconsider(tx, id) {
  try {
    tx.reconsider(id);
    return true;
  } catch (error) {
    log(`\`${id}\` keeps its rank: ${error.payload?.val}`);
    return false;
  }
}

/** Whether everything that a task comes after is completed. */
function isFree(view, task) {
  return task.before.every((id) => find(view, id)?.status === "completed");
}

/** A task by its id, if it is on the board. */
function find(view, id) {
  const task = view.get(id);
  if (!task) return undefined;
  try {
    return read(task);
  } finally {
    // A hook may have 1,024 handles, and the collector of garbage doesn't know.
    task[Symbol.dispose]();
  }
}

/** What is looked at of a task. A child comes after its parent, as the standard policy has it by default. */
function read(task) {
  const status = task.status();
  const parent = task.parent();
  const isFinished = ["completed", "failed", "cancelled"].includes(status);
  return {
    status,
    isFinished,
    before: parent === undefined ? task.dependencies() : [...task.dependencies(), parent],
    children: isFinished ? [] : task.children("open", undefined, TOUCHED_MAX),
    estimate: estimate(task.data()),
  };
}

function estimate(data) {
  const given = JSON.parse(data)?.estimate;
  return Number.isFinite(given) && given >= 0 ? Math.round(given) : Number(setting("estimate"));
}

const nextKey = (id) => `next:${id}`;

/** The tasks that come after this one. */
function next(view, id) {
  const remembered = view.recall(nextKey(id));
  return remembered ? new TextDecoder().decode(remembered).split("\n") : [];
}

/** Remembers that `id` comes after `before`. */
function addNext(view, tx, before, id) {
  const after = new Set([...next(view, before), id]);
  try {
    tx.remember(nextKey(before), new TextEncoder().encode([...after].join("\n")));
  } catch (error) {
    // There is no more room: the chain through this one isn't counted.
    log(`\`${id}\` isn't counted for \`${before}\`: ${error.payload?.val}`);
  }
}
