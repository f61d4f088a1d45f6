// Evaluated before the author's source: JavaScript's own time and random numbers become the transaction's. Of its own the
// engine would tell the time at which the policy was built, and draw numbers that differ between instances.
//
// While the policy is built there is no transaction, and whoever asks gets an error instead.

import { now } from "taskhost:policy/clock@0.1.0";
import { next } from "taskhost:policy/random@0.1.0";

let hasRun = false;

/** Called when the top level of the author's source has run. */
export function built() {
  hasRun = true;
}

/** Whether it has; what the host gives is there only then. */
export const isBuilt = () => hasRun;

function inHook(name) {
  if (hasRun) return;
  throw new Error(`\`${name}\` has no answer at the top level, which runs only once, when the policy is built: use it in a hook`);
}

/** Replaces what is there, in an object and in what it inherits from; nothing is added that the engine doesn't have. */
export function replace(object, name, value) {
  for (let at = object; at; at = Object.getPrototypeOf(at)) {
    const old = Object.getOwnPropertyDescriptor(at, name);
    if (!old) continue;
    const { configurable, enumerable } = old;
    const content = old.get ? { get: value } : { value, writable: true };
    Object.defineProperty(at, name, { ...content, configurable, enumerable });
  }
}

const milliseconds = (name) => {
  inHook(name);
  return Number(now());
};

const EngineDate = Date;
replace(EngineDate, "now", () => milliseconds("Date.now"));
const PolicyDate = new Proxy(EngineDate, {
  apply: () => new EngineDate(milliseconds("Date")).toString(),
  construct: (target, given, newTarget) =>
    Reflect.construct(target, given.length > 0 ? given : [milliseconds("new Date")], newTarget),
});
Object.defineProperty(EngineDate.prototype, "constructor", { value: PolicyDate });
replace(globalThis, "Date", PolicyDate);

replace(globalThis.performance, "now", () => milliseconds("performance.now"));
replace(globalThis.performance, "timeOrigin", () => 0);

replace(Math, "random", () => {
  inHook("Math.random");
  // All the bits that a number has: 27 of one draw and 26 of another.
  return ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
});

/** At most so many bytes are asked for at a time, as on the web. */
const BYTES_MAX = 65_536;

const fill = (bytes) => {
  for (let at = 0; at < bytes.length; at += 4) {
    const drawn = next();
    for (let n = 0; n < 4 && at + n < bytes.length; n += 1) bytes[at + n] = drawn >>> (8 * n);
  }
  return bytes;
};

const isOfIntegers = (array) =>
  ArrayBuffer.isView(array) && !(array instanceof DataView) && !/Float/.test(array[Symbol.toStringTag]);

replace(globalThis.crypto, "getRandomValues", (array) => {
  inHook("crypto.getRandomValues");
  if (!isOfIntegers(array)) throw new TypeError("`crypto.getRandomValues` fills typed arrays of integers only");
  if (array.byteLength > BYTES_MAX) {
    throw new RangeError(`\`crypto.getRandomValues\` fills at most ${BYTES_MAX} bytes at a time`);
  }
  fill(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return array;
});
replace(globalThis.crypto, "randomUUID", () => {
  inHook("crypto.randomUUID");
  const bytes = fill(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
});
