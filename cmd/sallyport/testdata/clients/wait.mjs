// An agent's client as people build it with the TypeScript SDK (version 1): it calls a tool, and does what an agent would do when the answer
// is late: it repeats the identical call after a time-out or a broken connection, and follows `next` when it is told to wait.
//
//   node wait.mjs URL TOKEN MODE MILLISECONDS CALL
//
// MODE is "default" (no progress asked for) or "progress" (progress resets the time-out). CALL is {"name", "arguments"}. It prints a JSON
// object a line and ends with the first answer that is not about waiting.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, token, mode, milliseconds, text] = process.argv.slice(2);
const say = (event) => console.log(JSON.stringify(event));
const options = { timeout: Number(milliseconds) };
if (mode === "progress") {
  options.resetTimeoutOnProgress = true;
  options.onprogress = (p) => say({ event: "progress", message: p.message });
}

async function connect() {
  const client = new Client({ name: "wait", version: "1" });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${token}` } } }),
  );
  return client;
}

const first = JSON.parse(text);
let call = first;
for (;;) {
  try {
    const client = await connect();
    for (;;) {
      const result = await client.callTool(call, undefined, options);
      const { status, call_id, executed, next } = result.structuredContent;
      if (status !== "approval_pending") {
        say({ event: "answer", status, call_id, executed });
        process.exit(0);
      }
      say({ event: "pending", call_id });
      call = { name: next.tool, arguments: { ...next.arguments, wait_seconds: 1 } };
    }
  } catch (e) {
    say({ event: "error", code: e.code ?? null, message: String(e.message).slice(0, 200) });
    call = first;
    await new Promise((again) => setTimeout(again, 200));
  }
}
