import { withDurableExecution, StepSemantics } from "@aws/durable-execution-sdk-js";
import { did, times } from "./lib.mjs";

// The process ends in the middle: of a step that may run again, and of one that
// may not.
export const handler = withDurableExecution(async (event, context) => {
  const again = await context.step("again", async () => {
    did("again");
    if (times("again") === 1) process.exit(7);
    return times("again");
  });
  let once;
  try {
    await context.step("once", async () => { did("once"); process.exit(8); }, { semantics: StepSemantics.AtMostOncePerRetry, retryStrategy: () => ({ shouldRetry: false }) });
  } catch (e) {
    once = e.name;
  }
  return { again, once, times: times("once") };
});
