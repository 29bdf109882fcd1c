// The openai package for JavaScript, as people use it.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.PACKAGES}/`);
const { OpenAI, APIError } = require("openai");
const { VERSION } = require("openai/version");

let tries = 0;
const counting = (...request) => {
  tries += 1;
  return fetch(...request);
};
const options = { baseURL: process.env.BASE_URL, fetch: counting };
const client = new OpenAI({ ...options, apiKey: process.env.API_KEY });
const poor = new OpenAI({ ...options, apiKey: process.env.POOR_API_KEY });
const messages = [{ role: "user", content: "Say hi." }];
const seen = { version: VERSION };

const chat = await client.chat.completions.create({
  model: "chat",
  messages,
  max_completion_tokens: 100,
});
seen.chat = {
  text: chat.choices[0].message.content,
  tokens: chat.usage.total_tokens,
  credits: chat.usage.credits_used,
};

const stream = await client.chat.completions.create({
  model: "stream",
  messages,
  stream: true,
  stream_options: { include_usage: true },
});
let text = "";
let last;
for await (const chunk of stream) {
  for (const choice of chunk.choices) text += choice.delta.content ?? "";
  last = chunk;
}
seen.stream = {
  text,
  tokens: last.usage.total_tokens,
  credits: last.usage.credits_used,
};

const vectors = await client.embeddings.create({
  model: "embed",
  input: ["Ahoy", "there"],
});
seen.embeddings = vectors.data.map((item) => Array.from(item.embedding));

seen.models = [];
for await (const model of client.models.list()) seen.models.push(model.id);
seen.model = (await client.models.retrieve("openai/gpt-4o")).id;

tries = 0;
try {
  await poor.chat.completions.create({ model: "chat", messages });
} catch (error) {
  if (!(error instanceof APIError)) throw error;
  seen.error = {
    class: error.constructor.name,
    status: error.status,
    code: error.code,
    type: error.type,
    message: error.message,
    tries,
  };
}

process.stdout.write(JSON.stringify(seen));
