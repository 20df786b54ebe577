// Drives the API with the AWS SDK: reads operations from the standard input, one
// line of JSON each, and writes what came of them.
import { createInterface } from "node:readline";
import * as lambda from "@aws-sdk/client-lambda";

const client = new lambda.LambdaClient({ endpoint: process.argv[2], region: "us-east-1", maxAttempts: 1, credentials: { accessKeyId: "a", secretAccessKey: "b" } });
const show = (k, v) => (v instanceof Uint8Array || v?.type === "Buffer" ? Buffer.from(v.data ?? v).toString() : v);

for await (const line of createInterface({ input: process.stdin })) {
  const [name, input] = JSON.parse(line);
  for (const k of ["StartedAfter", "StartedBefore"]) if (input[k]) input[k] = new Date(input[k]);
  for (const k of ["Payload", "Result"]) if (input[k] !== undefined) input[k] = Buffer.from(input[k]);
  let out;
  try {
    const { $metadata, ...rest } = await client.send(new lambda[name + "Command"](input));
    if (rest.Payload) rest.Payload = Buffer.from(rest.Payload).toString();
    out = { status: $metadata.httpStatusCode, ...rest };
  } catch (e) {
    out = { error: e.name, message: e.message, status: e.$metadata?.httpStatusCode };
  }
  console.log(JSON.stringify(out));
}
