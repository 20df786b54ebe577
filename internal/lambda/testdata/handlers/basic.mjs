import { withDurableExecution } from "@aws/durable-execution-sdk-js";
import { did } from "./lib.mjs";

export const handler = withDurableExecution(async (event, context) => {
  const a = await context.step("a", async () => { did("a"); return event.n + 1; });
  await context.wait("pause", { seconds: 1 });
  const b = await context.step("b", async () => { did("b"); return a * 10; });
  return { a, b };
});
