// Evaluated before the author's source: whatever goes wrong in it is told, and what it prints is the policy's log. Of its
// own the engine has nothing to print to, and an error that leaves a hook ends it without a word.

import { write } from "taskhost:policy/log@0.1.0";

import { isBuilt, replace } from "./.prelude.js";

/** How many places are told of an error, and how much of a value, in characters. */
const PLACES_MAX = 4;
const SHOWN_MAX = 200;

/** A value as it would be written, or as much of it as says what it is. */
function shown(value) {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (isError(value)) return `${said(value)}${places(value)}`;
  let text;
  try {
    text = JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : part));
  } catch {
    // It refers to itself, or doesn't want to be read.
  }
  text ??= String(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

/** The bindings have an `Error` of their own, so that theirs aren't instances of this one. */
const isError = (value) => isObject(value) && typeof value.stack === "string" && "message" in value;

/** An error of the host's holds what the contract calls it. */
const said = (error) => ("payload" in error ? `${error.name}: ${shown(error.payload)}` : String(error));

/** Where an error was made: the calls that are in the author's files, innermost first. */
function places(error) {
  const calls = typeof error?.stack === "string" ? error.stack.split("\n") : [];
  const told = [];
  for (const call of calls) {
    const [, name, place] = /^(.*?)@(?:\.?\/)?([^@]*\.m?js:\d+:\d+)$/.exec(call) ?? [];
    // What isn't the author's is in hidden files, or in the bindings.
    if (!place || place.startsWith(".") || place.includes("initializer.js")) continue;
    const text = name ? `in ${name.replace(/^async\*/, "")} (${place})` : place;
    if (text !== told.at(-1)) told.push(text);
    if (told.length === PLACES_MAX) break;
  }
  return told.map((place) => `, ${place}`).join("");
}

const line = (given) => given.map((part) => (typeof part === "string" ? part : shown(part))).join(" ");

for (const name of ["debug", "error", "info", "log", "trace", "warn"]) {
  const before = console[name];
  replace(console, name, (...given) => (isBuilt() ? write(line(given)) : before.apply(console, given)));
}

/** What browsers have, and the engine too, but with nothing behind it: a call would end the hook. */
const REFUSED = {
  fetch: "a policy reaches no network",
  setInterval: "time stands still during a hook",
  setTimeout: "time stands still during a hook",
};
for (const [name, why] of Object.entries(REFUSED)) {
  replace(globalThis, name, () => {
    throw new Error(`\`${name}\` is refused: ${why}`);
  });
}

const oneOf = (words) => {
  const quoted = words.map((word) => `\`${word}\``);
  const last = quoted.pop();
  return quoted.length > 0 ? `${quoted.join(", ")} or ${last}` : last;
};

const isObject = (value) => typeof value === "object" && value !== null;
const isInteger = (value) => Number.isInteger(value);
const isBigInt = (value) => typeof value === "bigint" || isInteger(value);

/** Whether a value is one of a type of the contract that has no parts, and what it should be. */
const SIMPLE = {
  string: [(value) => typeof value === "string", "a string"],
  bool: [(value) => typeof value === "boolean", "`true` or `false`"],
  small: [isInteger, "an integer"],
  large: [isBigInt, "a BigInt"],
  any: [() => true, "anything"],
};

/** What is wrong with a value that should have this shape, as a clause; nothing if it has it. `path` leads to it. */
function wrong(value, shape, path) {
  if (typeof shape === "string") {
    const [fits, should] = SIMPLE[shape];
    return fits(value) ? undefined : `${subject(path)} isn't ${should}`;
  }
  const [[kind, inner]] = Object.entries(shape);
  return PARTS[kind](value, inner, path);
}

const subject = (path) => (path ? `whose \`${path}\`` : "which");
const below = (path, name) => (path ? `${path}.${name}` : name);

/** The same for what has parts. */
const PARTS = {
  option(value, inner, path) {
    const why = value === undefined || value === null ? undefined : wrong(value, inner, path);
    return why && `${why}, or \`undefined\``;
  },
  list(value, inner, path) {
    if (!Array.isArray(value)) return `${subject(path)} isn't a list`;
    return value.map((part, n) => wrong(part, inner, `${path}[${n}]`)).find((why) => why);
  },
  enum: (value, words, path) => (words.includes(value) ? undefined : `${subject(path)} isn't ${oneOf(words)}`),
  record(value, fields, path) {
    if (!isObject(value)) return `${subject(path)} isn't an object`;
    for (const [name, shape] of Object.entries(fields)) {
      const why = wrong(value[name], shape, below(path, name));
      if (why) return name in value ? why : `${subject(path)} has no \`${name}\``;
    }
  },
  variant(value, cases, path) {
    const words = oneOf(Object.keys(cases));
    if (!isObject(value)) return `${subject(path)} isn't an object whose \`tag\` is ${words}`;
    if (!Object.hasOwn(cases, value.tag)) return `${subject(below(path, "tag"))} isn't ${words}`;
    const shape = cases[value.tag];
    return shape === null ? undefined : wrong(value.val, shape, below(path, "val"));
  },
};

/** The hook of this name, of which each way to go wrong is told before it ends the call. */
function guard(object, name, shape) {
  return async (...given) => {
    let answer;
    try {
      answer = await object[name](...given);
    } catch (error) {
      // The host takes a last line that begins so for the reason.
      write(`uncaught ${isError(error) ? "" : "value: "}${shown(error)}`);
      throw error;
    }
    const why = wrong(answer, shape, "");
    if (why) {
      const text = `wrong answer: \`${name}\` answered ${shown(answer)}, ${why}`;
      write(text);
      throw new TypeError(text);
    }
    return answer;
  };
}

/** The hooks of an interface, by the shapes of their answers; what the author has left out isn't there. */
export function guarded(policy, names, shapes) {
  const object = names.map((name) => policy[name]).find(isObject);
  if (!object) return undefined;
  const hooks = Object.entries(shapes).filter(([name]) => typeof object[name] === "function");
  return Object.fromEntries(hooks.map(([name, shape]) => [name, guard(object, name, shape)]));
}

/** Ends the build if the author has written a hook that would never be called. */
export function refuse(policy, name, why) {
  if (isObject(policy[name])) throw new Error(why);
}
