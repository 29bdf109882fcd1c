// Pictures, sound and video by the openai package for JavaScript; uploads are streamed from
// disk, and so have no Content-Length.
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const require = createRequire(`${process.env.PACKAGES}/`);
const { OpenAI } = require("openai");
const { VERSION } = require("openai/version");

let streamed = 0;
const watching = (url, request) => {
  if (request.body instanceof ReadableStream) streamed += 1;
  return fetch(url, request);
};
const client = new OpenAI({
  baseURL: process.env.BASE_URL,
  apiKey: process.env.API_KEY,
  fetch: watching,
});
const seen = { version: VERSION };

const drawn = await client.images.generate({
  model: "fal-ai/flux/dev",
  prompt: "A gate",
  response_format: "b64_json",
});
seen.image = drawn.data[0].b64_json;

const spoken = await client.audio.speech.create({
  model: "fal-ai/f5-tts",
  voice: "nova",
  input: "Every call is held first.",
  response_format: "wav",
});
const sound = Buffer.from(await spoken.arrayBuffer());
seen.speech = sound.toString("base64");

const folder = mkdtempSync(join(tmpdir(), "media-"));
try {
  const path = join(folder, "gate.wav");
  writeFileSync(path, sound);
  const ask = (response_format) =>
    client.audio.transcriptions.create({
      model: "fal-ai/whisper",
      file: createReadStream(path),
      response_format,
    });
  seen.heard = (await ask("json")).text;
  seen.srt = await ask("srt");

  const picture = join(folder, "gate.png");
  writeFileSync(picture, Buffer.from(seen.image, "base64"));
  seen.video = await client.videos.create({
    prompt: "A gate closes",
    seconds: "4",
    size: "720x1280",
    input_reference: createReadStream(picture),
  });
  while (["queued", "in_progress"].includes(seen.video.status)) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    seen.video = await client.videos.retrieve(seen.video.id);
  }
  const content = await client.videos.downloadContent(seen.video.id);
  seen.videoContent = Buffer.from(await content.arrayBuffer()).toString("base64");
} finally {
  rmSync(folder, { recursive: true });
}
seen.streamed = streamed;

process.stdout.write(JSON.stringify(seen));
