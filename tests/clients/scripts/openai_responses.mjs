// The openai package for JavaScript: its responses.
import * as my from "./framework.mjs";

const { default: OpenAI } = my.require("openai");
const { zodTextFormat } = my.require("openai/helpers/zod");
const { z } = my.require("zod");

const client = new OpenAI({ baseURL: my.baseURL, apiKey: my.apiKey });
const common = { model: my.model };
const parameters = {
  ...z.toJSONSchema(my.Asked),
  additionalProperties: false,
};
const tools = [
  { type: "function", name: "weather", description: my.about, parameters, strict: true },
];
const plain = await client.responses.create({ ...common, input: my.ask });
let streamed = "";
const stream = client.responses.stream({ ...common, input: my.ask });
for await (const event of stream) {
  if (event.type === "response.output_text.delta") streamed += event.delta;
}
if ((await stream.finalResponse()).output_text !== streamed) throw new Error("differs");
const input = [{ role: "user", content: my.useTool }];
const first = await client.responses.create({ ...common, input, tools });
for (const item of first.output) {
  input.push(item);
  const output = my.weather(JSON.parse(item.arguments));
  input.push({ type: "function_call_output", call_id: item.call_id, output });
}
const format = zodTextFormat(my.Town, "town");
const parsed = await client.responses.parse({
  ...common,
  input: my.ask,
  text: { format },
});
const content = [
  { type: "input_text", text: my.look },
  { type: "input_image", image_url: my.pictureURI },
];
const image = [{ role: "user", content }];
my.tell({
  plain: plain.output_text,
  stream: streamed,
  tool: (await client.responses.create({ ...common, input, tools })).output_text,
  structured: parsed.output_parsed,
  image: (await client.responses.create({ ...common, input: image })).output_text,
});
