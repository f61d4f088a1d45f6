#!/usr/bin/env node
// An agent in Node that works off a board through the command `taskhost`, to be copied. It needs nothing but Node.
//
//     node agent.mjs .taskhost ada
//
// - Every answer of `taskhost --json` is one JSON object, and its exit code says what to do; see `taskhost --help`.
// - `--holder-pid` names this process: what it holds comes back at once if it dies.
// - A claim has a request key, and its end is told by its token, so repeating what didn't get through, or nobody knows
//   whether it did, does nothing twice.
// - While it works, the lease is extended, and the work is stopped once the claim is somebody else's or the task isn't
//   wanted any more. Ctrl-C and SIGTERM hand back what is held; the second one ends at once.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const Exit = { done: 0, nothing: 3, taken: 4, missing: 5, lockTimeout: 6, invalid: 10, outcomeUnknown: 11 };
// The task isn't this agent's any more, whatever has become of it.
const LOST = [Exit.taken, Exit.missing, Exit.invalid];
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 500;

const [board, agent] = process.argv.slice(2);
if (!agent) {
  console.error('usage: agent.mjs BOARD AGENT');
  process.exit(2);
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => (stop.signal.aborted ? process.exit(1) : stop.abort()));
}

/** Runs one command; answers with its exit code and what it printed. */
function taskhost(...args) {
  return new Promise((resolve, reject) => {
    // Detached: Ctrl-C at a terminal is for this process, which then ends its claims in order.
    const options = { detached: true, stdio: ['ignore', 'pipe', 'inherit'] };
    const child = spawn('taskhost', ['--json', '--board', board, ...args], options);
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (printed += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, answer: printed ? JSON.parse(printed) : {} }));
  });
}

/** The same, repeated for as long as it may get through later; what isn't one of these `exits` is thrown. */
async function persist(exits, ...args) {
  const began = Date.now();
  for (;;) {
    const { code, answer } = await taskhost(...args);
    if (exits.includes(code)) return { code, answer };
    const mayPass = [Exit.lockTimeout, Exit.outcomeUnknown].includes(code) || answer.error?.retryable;
    if (!mayPass || Date.now() - began > PATIENCE_MS) {
      throw new Error(`taskhost ${args[0]} exited with ${code}: ${answer.error?.message ?? 'no answer'}`);
    }
    await sleep(200);
  }
}

/** The work itself; this is what you replace. It stops when `signal` says so. */
async function work(task, signal) {
  const steps = task.data?.steps ?? 1;
  for (let step = 0; step < steps; step += 1) {
    await sleep(10, undefined, { signal });
  }
  if (task.data?.fails) throw new Error('it was to fail');
  return { steps };
}

/** Keeps a claim until `done`: three heartbeats in a lease, and a look now and then. Ends with whether it was lost. */
async function keep(task, proof, done) {
  const { since, lease_until: until, token } = task.claim;
  const third = Math.max((Date.parse(until) - Date.parse(since)) / 3, LOOK_EVERY_MS);
  let nextBeat = Date.now() + third;
  for (;;) {
    await sleep(LOOK_EVERY_MS, undefined, { signal: done }).catch(() => {});
    if (done.aborted) return false;
    if (Date.now() >= nextBeat) {
      const { code } = await taskhost('heartbeat', task.id, ...proof);
      if (LOST.includes(code)) return !done.aborted;
      // One that didn't get through is tried again soon.
      nextBeat = Date.now() + (code === Exit.done ? third : LOOK_EVERY_MS);
    } else {
      const { code, answer } = await taskhost('show', task.id);
      const isOurs = code === Exit.done ? answer.task.claim?.token === token : code !== Exit.missing;
      if (!isOurs) return !done.aborted;
    }
  }
}

/** Does one task, and says how it ended. */
async function attend(task) {
  const proof = ['--agent', agent, '--token', String(task.claim.token)];
  const [lost, done] = [new AbortController(), new AbortController()];
  const kept = keep(task, proof, done.signal).then((isLost) => isLost && lost.abort());
  kept.catch((error) => lost.abort(error));
  let end;
  try {
    const result = await work(task, AbortSignal.any([stop.signal, lost.signal]));
    end = ['complete', task.id, '--result', JSON.stringify(result)];
  } catch (error) {
    const isOver = stop.signal.aborted || lost.signal.aborted;
    end = isOver
      ? ['release', task.id, '--reason', 'its runtime stopped']
      : ['fail', task.id, '--error', String(error.message)];
  }
  done.abort();
  const { code, answer } = await persist([Exit.done, ...LOST], ...end, ...proof);
  // What was lost has left nothing on the board: whoever has the task now does it again.
  const how = code === Exit.done ? `is ${answer.task.status}` : `was lost: ${answer.error.message}`;
  console.log(`${agent}: \`${task.id}\` ${how}`);
}

const ME = ['--agent', agent, '--session', `s-${randomUUID()}`, '--holder-pid', String(process.pid)];

while (!stop.signal.aborted) {
  const exits = [Exit.done, Exit.nothing, Exit.taken];
  const { code, answer } = await persist(exits, 'claim', ...ME, '--wait', '1s', '--key', randomUUID());
  if (code === Exit.done) await attend(answer.task);
  else if (code === Exit.nothing && answer.reason === 'empty') break;
  // Otherwise tasks are open, and none is ready for this agent yet; or what a repeated claim had got was lost since.
}
