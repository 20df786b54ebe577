// A function of Node, as AWS Lambda knows them.
export async function handler(event, context) {
  if (!event?.name) throw new Error("name is missing");
  return { greeting: `${process.env.WORD ?? "Hello"}, ${event.name}!`, request: context.awsRequestId };
}
