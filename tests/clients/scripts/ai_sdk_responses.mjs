// The AI SDK by its default for OpenAI: the responses.
import * as my from "./framework.mjs";

const { createOpenAI } = my.require("@ai-sdk/openai");
const ai = my.require("ai");

globalThis.AI_SDK_LOG_WARNINGS = false;
const openai = createOpenAI({ baseURL: my.baseURL, apiKey: my.apiKey });
const common = { model: openai(my.model), maxRetries: 0 };
const tools = {
  weather: ai.tool({
    description: my.about,
    inputSchema: my.Asked,
    execute: my.weather,
  }),
};
const stopWhen = ai.stepCountIs(3);
const user = (content) => ({ role: "user", content });

const plain = await ai.generateText({ ...common, prompt: my.ask });
const stream = ai.streamText({ ...common, prompt: my.ask });
let streamed = "";
for await (const piece of stream.textStream) streamed += piece;
const loop = { ...common, tools, stopWhen, prompt: my.useTool };
const tool = await ai.generateText(loop);
// What it said before is referred to, and not sent again.
const before = (await stream.response).messages;
const again = await ai.generateText({
  ...common,
  messages: [user(my.ask), ...before, user(my.ask)],
});
const structured = await ai.generateText({
  ...common,
  prompt: my.ask,
  output: ai.Output.object({ schema: my.Town }),
});
const parts = [
  { type: "text", text: my.look },
  { type: "image", image: my.picture, mediaType: "image/png" },
];
my.tell({
  plain: plain.text,
  stream: streamed,
  tool: tool.text,
  again: again.text,
  structured: structured.output,
  image: (await ai.generateText({ ...common, messages: [user(parts)] })).text,
});
