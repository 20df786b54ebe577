import { withDurableExecution } from "@aws/durable-execution-sdk-js";
import { did } from "./lib.mjs";

const text = (n, of) => of.repeat(n);

// More state than an event carries, a child whose result is kept as its
// children, and a large result.
export const handler = withDurableExecution(async (event, context) => {
  const parts = await context.map("parts", [...Array(event.parts).keys()], async (ctx, n) => ctx.step(async () => { did("part"); return text(20_000, String(n % 10)); }));
  const child = await context.runInChildContext("child", async (ctx) => {
    const piece = await ctx.step(async () => { did("piece"); return text(200_000, "x"); });
    return piece + piece;
  });
  await context.wait({ seconds: 1 }); // the rest is a replay
  return { parts: parts.getResults().map((p) => p[0] + p.length), child: child.length, text: text(500_000, "y") };
});
