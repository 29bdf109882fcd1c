// OpenAI's agents for JavaScript, by their default: the responses.
import * as my from "./framework.mjs";

const { Agent, run, setDefaultOpenAIClient, setTracingDisabled, tool, user } =
  my.require("@openai/agents");
const { default: OpenAI } = my.require("openai");

setTracingDisabled(true);
setDefaultOpenAIClient(new OpenAI({ baseURL: my.baseURL, apiKey: my.apiKey }));
const agent = new Agent({ name: "plain", model: my.model });
const weather = tool({
  name: "weather",
  description: my.about,
  parameters: my.Asked,
  execute: my.weather,
});
const withTool = new Agent({ name: "tool", model: my.model, tools: [weather] });
const town = new Agent({ name: "town", model: my.model, outputType: my.Town });

const stream = await run(agent, my.ask, { stream: true });
let streamed = "";
for await (const piece of stream.toTextStream()) streamed += piece;
const looped = await run(withTool, my.useTool);
const parts = [
  { type: "input_text", text: my.look },
  { type: "input_image", image: my.pictureURI },
];
my.tell({
  plain: (await run(agent, my.ask)).finalOutput,
  stream: streamed,
  tool: looped.finalOutput,
  again: (await run(withTool, [...looped.history, user(my.ask)])).finalOutput,
  structured: (await run(town, my.ask)).finalOutput,
  image: (await run(agent, [{ role: "user", content: parts }])).finalOutput,
});
