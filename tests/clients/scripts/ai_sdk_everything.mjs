// All that Vercel's AI SDK has a call for, by its provider for OpenAI and by the one for
// whoever speaks like OpenAI.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.PACKAGES}/`);
const { createOpenAI } = require("@ai-sdk/openai");
const { createOpenAICompatible } = require("@ai-sdk/openai-compatible");
const ai = require("ai");

globalThis.AI_SDK_LOG_WARNINGS = false;
const where = { baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY };
const openai = createOpenAI(where);
const like = createOpenAICompatible({
  ...where,
  name: "gateway",
  includeUsage: true,
});
const poor = createOpenAI({ ...where, apiKey: process.env.POOR_API_KEY });
const seen = { version: require("ai/package.json").version };
const maxRetries = 0; // they would hide what went wrong the first time
const prompt = "Say hi.";

seen.chats = [];
for (const provider of [openai.chat, like]) {
  const model = provider("openai/gpt-4o-mini");
  const { text, usage } = await ai.generateText({ model, prompt, maxRetries });
  const stream = ai.streamText({ model, prompt, maxRetries });
  let streamed = "";
  for await (const piece of stream.textStream) streamed += piece;
  const tokens = [usage.totalTokens, (await stream.usage).totalTokens];
  seen.chats.push({ text, streamed, tokens });
}

seen.vectors = [];
for (const provider of [openai.embedding, like.embeddingModel]) {
  const model = provider("text-embedding-3-small");
  const values = ["Ahoy", "there"];
  const { embeddings, usage } = await ai.embedMany({
    model,
    values,
    maxRetries,
  });
  seen.vectors.push([...embeddings.map((vector) => vector.length), usage.tokens]);
}

const { image } = await ai.generateImage({
  model: openai.image("fal-ai/flux/dev"),
  prompt: "A gate",
  maxRetries,
});
seen.images = [image.base64];
for (const provider of [openai.image, like.imageModel]) {
  const edited = await ai.generateImage({
    model: provider("fal-ai/flux/dev/image-to-image"),
    prompt: { text: "At night, please", images: [image.uint8Array] },
    maxRetries,
  });
  seen.images.push(edited.image.base64);
}

const { audio } = await ai.experimental_generateSpeech({
  model: openai.speech("fal-ai/f5-tts"),
  text: "Every call is held first.",
  voice: "nova",
  outputFormat: "wav",
  maxRetries,
});
seen.speech = audio.base64;
const heard = await ai.experimental_transcribe({
  model: openai.transcription("fal-ai/whisper"),
  audio: audio.uint8Array,
  providerOptions: { openai: { timestampGranularities: ["segment"] } },
  maxRetries,
});
seen.heard = {
  text: heard.text,
  end: heard.segments.at(-1).endSecond,
  seconds: heard.durationInSeconds,
};

seen.errors = [];
try {
  await ai.generateText({ model: poor("openai/gpt-4o-mini"), prompt });
} catch (error) {
  if (!ai.APICallError.isInstance(error)) throw error;
  seen.errors.push([error.statusCode, error.message]);
}

process.stdout.write(JSON.stringify(seen));
