import { withDurableExecution } from "@aws/durable-execution-sdk-js";

// counts how often something was really done, in a file that outlives processes.
import { appendFileSync } from "node:fs";
const did = (name) => appendFileSync(process.env.DID, name + "\n");

export const handler = withDurableExecution(async (event, context) => {
  const a = await context.step("a", async () => { did("a"); return event.n + 1; });
  await context.wait("pause", { seconds: 1 });
  const b = await context.step("b", async () => { did("b"); return a * 10; });
  return { a, b };
});

export const plain = async (event) => ({ doubled: event.n * 2 });
