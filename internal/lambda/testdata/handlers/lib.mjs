// did notes that something was really done, in a file that outlives processes.
import { appendFileSync, readFileSync } from "node:fs";

export const did = (name) => appendFileSync(process.env.DID, name + "\n");

// times returns how often that was.
export const times = (name) => readFileSync(process.env.DID, { flag: "a+", encoding: "utf8" }).split("\n").filter((line) => line === name).length;
