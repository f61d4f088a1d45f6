// Tries, when it is asked for work, to reach what the setting `power` names, and answers with what it got. What it can't
// have it answers as `refused`, with what JavaScript says about it; what ends the hook, it doesn't live to tell.

import { now } from "taskhost:policy/clock@0.1.0";
import { get } from "taskhost:policy/settings@0.1.0";

/** @type {typeof import("taskhost:policy/about@0.1.0")} */
export const about = {
  describe() {
    const text = { tag: "text" };
    return {
      name: "isolation",
      version: "0",
      summary: "Tries what it may not.",
      settings: [
        { name: "power", valueType: text, defaultValue: "none", doc: "What it tries to reach." },
        { name: "target", valueType: text, defaultValue: "", doc: "Where: a path, or a host with its port." },
      ],
    };
  },
};

class Moment extends Date {}

/** Each way in which JavaScript tells the time, in milliseconds. */
const CLOCKS = [
  () => Number(now()),
  () => Date.now(),
  () => new Date().getTime(),
  () => new Date(0).constructor.now(),
  () => new Moment().getTime(),
  () => performance.timeOrigin + performance.now(),
  // As text it has whole seconds.
  () => Date.parse(Date()) + new Date().getMilliseconds(),
];

/** Calls a global, however deep; there may be none of that name. */
const call = (path, ...args) => {
  const names = path.split(".");
  const method = names.pop();
  let object = globalThis;
  for (const name of names) object = object[name];
  return object[method](...args);
};

const POWERS = {
  environment: () => JSON.stringify(globalThis.process.env),
  arguments: () => JSON.stringify(globalThis.process.argv),
  "read-file": (target) => call("require", "fs").readFileSync(target, "utf8"),
  "write-file": (target) => call("require", "fs").writeFileSync(target, "written by a policy"),
  "list-directory": (target) => call("require", "fs").readdirSync(target).join(),
  socket: (target) => String(call("fetch", `http://${target}/`)),
  "name-lookup": (target) => String(new WebSocket(`ws://${target}`)),
  "wall-clock": () => {
    const first = Date.now();
    for (let n = 0; n < 100_000; n += 1);
    return `${first} ${Date.now()}`;
  },
  clocks: () => [...new Set(CLOCKS.map((clock) => clock()))].join(),
  entropy: () => Array.from(crypto.getRandomValues(new Uint8Array(8))).join(),
  random: () => String(Math.random()),
  uuid: () => crypto.randomUUID(),
  sleep: () => String(call("setTimeout", () => {}, 10)),
  thread: () => String(new Worker("policy.js")),
  subprocess: () => call("require", "child_process").execSync("echo hello"),
};

/** @type {typeof import("taskhost:policy/assignment@0.1.0")} */
export const assignment = {
  choose() {
    let got;
    try {
      got = POWERS[get("power")](get("target"));
    } catch (error) {
      got = `refused: ${error}`;
    }
    return { tag: "nothing", val: String(got) };
  },
};
