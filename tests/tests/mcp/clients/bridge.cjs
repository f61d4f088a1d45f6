// A client of the TypeScript library, driven from outside: one JSON request a line, one JSON answer a line.
//
// A request is `{"id", "do", …}`; its answer has the same `id` and either `result` or `error`. Requests are worked on side by
// side, and `{"do": "cancel", "of": ID}` cancels another one. The end of standard input closes the session.

const readline = require('node:readline');
const Ajv2020 = require('ajv/dist/2020').default;
const { connect } = require('./connect.cjs');

// The validator that the library itself uses; strict, so that it refuses words that aren't of JSON Schema.
const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, validateFormats: false });

async function tools(client) {
  const found = (await client.listTools()).tools;
  for (const tool of found) {
    ajv.compile(tool.inputSchema);
    if (tool.outputSchema) ajv.compile(tool.outputSchema);
  }
  return found;
}

async function fits(client, { tool, arguments: given }) {
  const found = await tools(client);
  return ajv.validate(found.find(({ name }) => name === tool).inputSchema, given);
}

async function done(client, request, signal) {
  switch (request.do) {
    case 'server':
      return { info: client.getServerVersion(), capabilities: client.getServerCapabilities() };
    case 'tools':
      return tools(client);
    case 'fits':
      return fits(client, request);
    case 'resources':
      return (await client.listResources()).resources;
    case 'templates':
      return (await client.listResourceTemplates()).resourceTemplates;
    case 'read':
      return (await client.readResource({ uri: request.uri })).contents;
    case 'call':
      return client.callTool({ name: request.tool, arguments: request.arguments }, undefined, { signal });
  }
}

async function main() {
  const client = await connect();
  const controllers = new Map();

  async function answer(request) {
    const controller = new AbortController();
    controllers.set(request.id, controller);
    let said;
    try {
      said = { result: await done(client, request, controller.signal) };
    } catch (error) {
      const message = controller.signal.aborted ? 'cancelled' : error.message;
      said = { error: { code: error.code, message } };
    }
    console.log(JSON.stringify({ id: request.id, ...said }));
  }

  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.do === 'cancel') controllers.get(request.of).abort();
    else answer(request);
  }
  await client.close();
}

main();
