import { withDurableExecution } from "@aws/durable-execution-sdk-js";

export const handler = withDurableExecution(async (event, context) => {
  await context.step(async () => "fine");
  throw new RangeError("beyond " + event.n);
});

// Not made with withDurableExecution.
export const naked = async () => ({ hello: "world" });
