// The start of a Node function: it loads the handler, asks the Runtime API for
// events, and answers them one after another, as the runtime of AWS Lambda does.
import http from "node:http";
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
let current = ""; // the request under way

function call(method, path, body, headers = {}) {
  return new Promise((done, failed) => {
    const data = body === undefined ? undefined : Buffer.from(body);
    if (data) headers = { ...headers, "Content-Type": "application/json", "Content-Length": data.length };
    const req = http.request({ host, port, agent, method, path: "/2018-06-01/runtime" + path, headers }, (res) => {
      const parts = [];
      res.on("data", (part) => parts.push(part));
      res.on("error", failed);
      res.on("end", () => done({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts).toString("utf8") }));
    });
    req.on("error", failed);
    req.end(data);
  });
}

function describe(e, type) {
  const known = e instanceof Error || (typeof e === "object" && e !== null && "message" in e);
  return {
    errorType: type ?? (known ? (e.name ?? "Error") : typeof e),
    errorMessage: known ? String(e.message) : String(e),
    stackTrace: known && typeof e.stack === "string" ? e.stack.split("\n").slice(1).map((line) => line.trim()) : [],
  };
}

async function report(path, e, type) {
  const error = describe(e, type);
  await call("POST", path, JSON.stringify(error), { "Lambda-Runtime-Function-Error-Type": error.errorType });
}

async function load() {
  const spec = process.env._HANDLER;
  const name = basename(spec);
  const dot = name.indexOf(".");
  if (dot < 1) throw Object.assign(new Error(`the handler is "${spec}": it must be FILE.EXPORT, like index.handler`), { name: "Runtime.MalformedHandlerName" });
  const file = resolve(process.env.LAMBDA_TASK_ROOT, dirname(spec), name.slice(0, dot));
  const path = [".mjs", ".js", ".cjs"].map((end) => file + end).find((p) => existsSync(p));
  if (!path) throw Object.assign(new Error(`there is no ${file}.mjs, .js or .cjs`), { name: "Runtime.ImportModuleError" });
  const module = await import(pathToFileURL(path).href);
  const walk = (from) => name.slice(dot + 1).split(".").reduce((at, part) => at?.[part], from);
  const handler = walk(module) ?? walk(module.default);
  if (typeof handler !== "function") throw Object.assign(new Error(`${path} exports no function ${name.slice(dot + 1)}`), { name: "Runtime.HandlerNotFound" });
  return handler;
}

function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const client = headers["lambda-runtime-client-context"];
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    clientContext: client ? JSON.parse(client) : undefined,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

// run calls a handler of either style: one that returns a promise, or one that
// takes a callback.
function run(handler, event, context) {
  return new Promise((done, failed) => {
    const out = handler(event, context, (e, value) => (e ? failed(e) : done(value)));
    if (typeof out?.then === "function") out.then(done, failed);
    else if (handler.length < 3) done(out);
  });
}

for (const [event, type] of [["uncaughtException", undefined], ["unhandledRejection", "Runtime.UnhandledPromiseRejection"]]) {
  process.on(event, async (e) => {
    console.error(e);
    try {
      await report(current ? `/invocation/${current}/error` : "/init/error", e, type);
    } finally {
      process.exit(1);
    }
  });
}

let handler;
try {
  handler = await load();
} catch (e) {
  console.error(e);
  await report("/init/error", e);
  process.exit(1);
}
for (;;) {
  const next = await call("GET", "/invocation/next").catch(() => process.exit(0)); // nobody is there any more
  if (next.status !== 200) process.exit(1);
  const id = (current = next.headers["lambda-runtime-aws-request-id"]);
  process.env._X_AMZN_TRACE_ID = next.headers["lambda-runtime-trace-id"] ?? "";
  try {
    const out = await run(handler, JSON.parse(next.body), contextOf(next.headers));
    await call("POST", `/invocation/${id}/response`, JSON.stringify(out) ?? "null");
  } catch (e) {
    await report(`/invocation/${id}/error`, e).catch(() => process.exit(0));
  }
  current = "";
}
