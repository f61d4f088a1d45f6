// Makes, when it is asked for work, the mistake that the setting `mistake` names.

import { get } from "taskhost:policy/settings@0.1.0";

/** @type {typeof import("taskhost:policy/about@0.1.0")} */
export const about = {
  describe() {
    const settings = [{ name: "mistake", valueType: { tag: "text" }, defaultValue: "", doc: "Which one it makes." }];
    return { name: "mistakes", version: "0", summary: "Makes mistakes.", settings };
  },
};

function recurse(depth) {
  return recurse(depth + 1) + 1;
}

const MISTAKES = {
  error: () => {
    throw new Error("no luck");
  },
  text: () => {
    throw "no error";
  },
  method: (view) => view.candidate(),
  name: () => nothere,
  conversion: (view, tx) => tx.claim("t", "abc"),
  step: (view, tx) => tx.claim("missing", 1000n),
  recursion: () => recurse(0),
  async: async () => {
    await null;
    throw new Error("later");
  },
  "no-answer": () => undefined,
  "answer-text": () => "staged",
  "answer-tag": () => ({ tag: "stagd" }),
  "answer-value": () => ({ tag: "nothing", val: 42 }),
  timer: () => setTimeout(() => {}, 10),
  network: () => {
    try {
      fetch("http://localhost/");
    } catch (error) {
      return { tag: "refused", val: `caught: ${error.message}` };
    }
  },
  printed: () => {
    console.log("tasks:", 3, { held: 2n });
    console.error(new Error("printed"));
    return { tag: "refused", val: "printed" };
  },
};

/** @type {typeof import("taskhost:policy/assignment@0.1.0")} */
export const assignment = {
  choose(view, tx) {
    return MISTAKES[get("mistake")](view, tx);
  },
};
