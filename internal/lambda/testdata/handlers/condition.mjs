import { withDurableExecution } from "@aws/durable-execution-sdk-js";
import { did } from "./lib.mjs";

export const handler = withDurableExecution(async (event, context) => {
  return context.waitForCondition("count", async (n) => { did("count"); return n + 1; }, {
    initialState: 0,
    waitStrategy: (n) => (n < 3 ? { shouldContinue: true, delay: { seconds: 1 } } : { shouldContinue: false }),
  });
});
