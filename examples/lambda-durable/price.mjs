// A function that is not durable.
const cents = { lamp: 4000, chair: 12_000, book: 1500 };

export const handler = async ({ item }) => {
  if (!(item in cents)) throw new RangeError(`there is no price for ${item}`);
  return { item, cents: cents[item] };
};
