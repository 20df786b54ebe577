import { withDurableExecution } from "@aws/durable-execution-sdk-js";
import { did } from "./lib.mjs";

export const handler = withDurableExecution(async (event, context) => {
  await context.step("begin", async () => did("begin"));
  await context.wait("years", { days: 365 });
  return "never";
});
