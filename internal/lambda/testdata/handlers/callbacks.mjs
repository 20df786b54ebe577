import { withDurableExecution } from "@aws/durable-execution-sdk-js";
import { did } from "./lib.mjs";

// did tells the test the ids, as an e-mail would tell a person.
export const handler = withDurableExecution(async (event, context) => {
  const out = {};
  const submit = (name) => async (id) => did(`${name} ${id}`);
  const ask = async (name, config) => {
    try {
      out[name] = await context.waitForCallback(name, submit(name), config);
    } catch (e) {
      out[name] = `${e.name}: ${e.message}`;
    }
  };
  await ask("approve", { timeout: { hours: 1 } });
  await ask("refuse");
  await ask("late", { timeout: { seconds: 1 } });
  await ask("silent", { timeout: { hours: 1 }, heartbeatTimeout: { seconds: 1 } });
  await ask("alive", { heartbeatTimeout: { hours: 1 } });
  const [answer, id] = await context.createCallback("direct");
  await context.step("tell", async () => did(`direct ${id}`));
  out.direct = await answer;
  return out;
});
