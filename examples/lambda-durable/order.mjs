// An order: prices from another function, in parallel; an approval by a person if
// it is expensive; a payment, which is undone if nothing can be sent.
import { withDurableExecution, createRetryStrategy } from "@aws/durable-execution-sdk-js";

const patiently = createRetryStrategy({ maxAttempts: 4, initialDelay: { seconds: 1 }, backoffRate: 2 });

export const handler = withDurableExecution(async (order, context) => {
  const prices = await context.map("prices", order.items, async (ctx, item) => ctx.invoke("price", "price", { item }), { maxConcurrency: 5 });
  const total = prices.getResults().reduce((sum, p) => sum + p.cents, 0);

  if (total >= 10_000) {
    const decision = await context.waitForCallback("approval", async (id) => {
      console.log(`order ${order.id} over ${total} cents: who knows ${id} may decide`);
    }, { timeout: { hours: 24 } });
    if (decision !== "yes") return { id: order.id, status: "refused", total };
  }

  const payment = await context.step("pay", async (ctx) => charge(order, total), { retryStrategy: patiently });
  await context.wait("until it is packed", { seconds: 1 });
  try {
    const parcel = await context.step("send", async () => send(order), { retryStrategy: () => ({ shouldRetry: false }) });
    return { id: order.id, status: "sent", total, payment, parcel };
  } catch (e) {
    await context.step("refund", async () => refund(payment), { retryStrategy: patiently });
    return { id: order.id, status: "refunded", total, payment, why: e.message };
  }
});

// What would be calls to others. A step may run again after a crash, so they
// get a key of the order's.
async function charge(order, cents) {
  return `payment-${order.id}-${cents}`;
}

async function send(order) {
  if (order.to === "the moon") throw new Error("nobody delivers to the moon");
  return `parcel-${order.id}`;
}

async function refund(payment) {
  return `refund of ${payment}`;
}
