// LangChain's ChatOpenAI for JavaScript.
import * as my from "./framework.mjs";

const { ChatOpenAI } = my.require("@langchain/openai");
const { HumanMessage, ToolMessage } = my.require("@langchain/core/messages");
const { tool } = my.require("@langchain/core/tools");

const configuration = { baseURL: my.baseURL };
const model = new ChatOpenAI({ model: my.model, apiKey: my.apiKey, configuration });
const weather = tool(my.weather, {
  name: "weather",
  description: my.about,
  schema: my.Asked,
});
const withTool = model.bindTools([weather]);

let streamed = "";
for await (const chunk of await model.stream(my.ask)) streamed += chunk.content;
const messages = [new HumanMessage(my.useTool)];
const asked = await withTool.invoke(messages);
messages.push(asked);
for (const call of asked.tool_calls) {
  const content = await weather.invoke(call.args);
  messages.push(new ToolMessage({ content, tool_call_id: call.id }));
}
const parts = [
  { type: "text", text: my.look },
  { type: "image_url", image_url: { url: my.pictureURI } },
];
my.tell({
  plain: (await model.invoke(my.ask)).content,
  stream: streamed,
  tool: (await withTool.invoke(messages)).content,
  structured: await model.withStructuredOutput(my.Town).invoke(my.ask),
  image: (await model.invoke([new HumanMessage({ content: parts })])).content,
});
