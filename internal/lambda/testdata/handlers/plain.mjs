import { setTimeout as sleep } from "node:timers/promises";

// Not durable: what is asked of it is in the event.
export const handler = async (event, context) => {
  if (event.fail) throw new TypeError(event.fail);
  if (event.exit) process.exit(3);
  if (event.sleep) await sleep(event.sleep);
  return { doubled: event.n * 2, name: context.functionName, left: context.getRemainingTimeInMillis() > 0, client: context.clientContext };
};

// The older style.
export const classic = (event, context, callback) => callback(null, "classic " + event.n);

// Fails before it has begun.
export const missing = undefined;
