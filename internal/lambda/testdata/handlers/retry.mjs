import { withDurableExecution, createRetryStrategy } from "@aws/durable-execution-sdk-js";
import { did, times } from "./lib.mjs";

const quickly = (attempts) => createRetryStrategy({ maxAttempts: attempts, initialDelay: { seconds: 1 }, backoffRate: 1, jitter: "NONE" });

export const handler = withDurableExecution(async (event, context) => {
  const third = await context.step("third", async () => {
    did("third");
    if (times("third") < 3) throw new Error("not yet");
    return times("third");
  }, { retryStrategy: quickly(5) });
  let why;
  try {
    await context.step("never", async () => { did("never"); throw new RangeError("no way"); }, { retryStrategy: quickly(2) });
  } catch (e) {
    why = `${e.name}: ${e.message}`;
  }
  return { third, why };
});
