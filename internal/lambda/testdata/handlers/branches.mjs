import { withDurableExecution } from "@aws/durable-execution-sdk-js";
import { did } from "./lib.mjs";

export const handler = withDurableExecution(async (event, context) => {
  const both = await context.parallel("both", [
    async (ctx) => { await ctx.wait({ seconds: 1 }); return await ctx.step("left", async () => { did("left"); return "left"; }); },
    async (ctx) => ctx.step("right", async () => { did("right"); return "right"; }),
    async (ctx) => ctx.runInChildContext("nested", async (inner) => {
      const x = await inner.step("deep", async () => { did("deep"); return 5; });
      await inner.wait("deep pause", { seconds: 1 });
      return x + 1;
    }),
  ]);
  const squares = await context.map("squares", event.items, async (ctx, n, i) => ctx.step(`square ${i}`, async () => { did("square"); return n * n; }), { maxConcurrency: 3 });
  const some = await context.map("some", [1, 2, 3], async (ctx, n) => ctx.step(async () => { if (n === 2) throw new Error("two"); return n; }, { retryStrategy: () => ({ shouldRetry: false }) }), { completionConfig: { toleratedFailureCount: 1 } });
  return { both: both.getResults(), squares: squares.getResults(), some: some.getResults(), failed: some.failureCount };
});
