import { withDurableExecution } from "@aws/durable-execution-sdk-js";

export const handler = withDurableExecution(async (event, context) => {
  const durable = await context.invoke("durable", "child", { n: event.n });
  const plain = await context.invoke("plain", "plain", { n: event.n });
  let why;
  try {
    await context.invoke("fails", "plain", { fail: "it is broken" });
  } catch (e) {
    why = `${e.name}: ${e.message}`;
  }
  let unknown;
  try {
    await context.invoke("unknown", "nowhere", {});
  } catch (e) {
    unknown = e.name;
  }
  return { durable, plain: plain.doubled, why, unknown };
});
