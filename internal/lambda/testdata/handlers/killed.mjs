import { withDurableExecution } from "@aws/durable-execution-sdk-js";
import { randomUUID } from "node:crypto";
import { did } from "./lib.mjs";

// Each step makes a value that no other run of it makes, so the answer shows
// whether what was checkpointed was kept.
export const handler = withDurableExecution(async (event, context) => {
  const make = (ctx, name) => ctx.step(name, async () => {
    const value = randomUUID();
    did(`${event.name}.${name} ${value}`);
    return value;
  });
  const a = await make(context, "a");
  const both = await context.parallel("both", [
    async (ctx) => make(ctx, "b"),
    async (ctx) => { await ctx.wait({ seconds: 1 }); return make(ctx, "c"); },
  ]);
  const child = await context.runInChildContext("child", async (ctx) => make(ctx, "d"));
  const plain = await context.invoke("plain", { n: 21 });
  const said = await context.waitForCallback("ask", async (id) => did(`callback ${id}`));
  const e = await make(context, "e");
  return { a, b: both.getResults()[0], c: both.getResults()[1], d: child, e, said, plain: plain.doubled };
});
