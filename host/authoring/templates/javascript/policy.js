// Who asks for work gets the newest ready task.

import { get } from "taskhost:policy/settings@0.1.0";

/**
 * In which order tasks are given: "newest", "oldest", or "rank" (the most urgent first).
 * @type {import("taskhost:policy/types@0.1.0").Order}
 */
const ORDER = "newest";

/**
 * What `taskhost policy show` prints.
 * @type {typeof import("taskhost:policy/about@0.1.0")}
 */
export const about = {
  describe() {
    return {
      name: "{{name}}",
      version: "0.1.0",
      summary: "The newest ready task first.",
      settings: [
        {
          name: "lease",
          valueType: { tag: "duration" },
          defaultValue: "30m",
          doc: "How long a claim holds without a heartbeat.",
        },
      ],
    };
  },
};

/** @type {typeof import("taskhost:policy/assignment@0.1.0")} */
export const assignment = {
  choose(view, tx, request) {
    const lease = request.lease ?? BigInt(get("lease") ?? 0);
    const ready = view.candidates(request.filter, "either", ORDER);
    try {
      // Usually the first will do; one that somebody has locked by hand can't be claimed.
      for (const task of ready.next(16)) {
        try {
          tx.claim(task.id, lease);
          return { tag: "staged" };
        } catch {
          continue;
        }
      }
      return { tag: "nothing", val: undefined };
    } finally {
      // An instance that leaves something open isn't used again, and a fresh one costs a millisecond.
      ready[Symbol.dispose]();
    }
  },
};
