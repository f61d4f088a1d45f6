// How the TypeScript client of these tests begins: the server's command line comes as JSON in the first argument.

const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');

// A connected client: `{"command", "args", "env", "cwd", "name"}` says of which server, and its own name.
async function connect() {
  const { name, ...server } = JSON.parse(process.argv[2]);
  const client = new Client({ name, version: '1.0' });
  await client.connect(new StdioClientTransport(server));
  return client;
}

module.exports = { connect };
