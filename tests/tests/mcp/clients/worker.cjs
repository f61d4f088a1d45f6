// An agent that works off a board through the TypeScript library, and leaves a file for each task that it has done.
//
// Its second argument is the directory of the files, and the third which of its claims it stops at, as in `1,3`: then it says
// so, and goes on when it is told to by a line. Ends with 3 when its server is gone.

const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { connect } = require('./connect.cjs');

const [REFUSED, SERVER_GONE] = [1, 3];

async function call(client, name, given) {
  const result = await client.callTool({ name, arguments: given });
  if (result.isError) throw new Error(`${name}: ${JSON.stringify(result.structuredContent)}`);
  return result.structuredContent;
}

async function work(client, done, stopsAt, lines) {
  for (let claims = 0; ; ) {
    const got = await call(client, 'board_next', { wait_s: 30 });
    const task = got.task;
    if (task === null) {
      if (got.reason === 'empty') return;
      continue;
    }
    claims += 1;
    if (stopsAt.includes(claims)) {
      console.log(`holding ${task.id}`);
      await lines.next();
    }
    await call(client, 'board_heartbeat', { id: task.id });
    for (const other of task.after) {
      if (!fs.existsSync(path.join(done, other))) {
        throw new Error(`\`${task.id}\` was given before \`${other}\` was done`);
      }
    }
    fs.writeFileSync(path.join(done, task.id), task.claim.agent, { flag: 'wx' });
    await call(client, 'board_finish', { id: task.id, outcome: 'complete' });
  }
}

async function main() {
  const [done, stopsAt] = [process.argv[3], process.argv[4].split(',').map(Number)];
  const input = readline.createInterface({ input: process.stdin });
  const client = await connect();
  try {
    await work(client, done, stopsAt, input[Symbol.asyncIterator]());
    await client.close();
    input.close();
  } catch (error) {
    console.error(error.message);
    // Without a server there is nothing to talk through any more.
    process.exit(client.transport === undefined ? SERVER_GONE : REFUSED);
  }
}

main();
