// What the scripts of frameworks for JavaScript have in common: see framework.py.
import { createRequire } from "node:module";

export const require = createRequire(`${process.env.PACKAGES}/`);
export const { BASE_URL: baseURL, API_KEY: apiKey } = process.env;
export const model = "openai/gpt-4o-mini";
export const ask = "Say hi.";
export const useTool = "What is the weather? [sandbox:tool]";
export const look = "What is this?";
export const picture =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAA" +
  "AABJRU5ErkJggg==";
export const pictureURI = `data:image/png;base64,${picture}`;

const { z } = require("zod");
export const Town = z.object({ name: z.string(), inhabitants: z.number() });
export const Asked = z.object({ town: z.string() });
export const about = "The weather in a town.";
const called = [];

export function weather({ town }) {
  called.push(town);
  return "It rains.";
}

export function tell(seen) {
  process.stdout.write(JSON.stringify({ ...seen, called }));
}
