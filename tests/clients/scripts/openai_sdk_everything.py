"""All that the openai package has a call for, and what it has none for by its `post`
and `get`; the same lines for 1.x, 2.x and 3.x."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from typing import Any

import openai

PICTURE = base64.b64decode("iVBORw0KGgo=")

# Without retries: they would hide what went wrong the first time.
client = openai.OpenAI(
    base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0
)
messages: list[Any] = [{"role": "user", "content": "Say hi."}]
seen: dict[str, Any] = {"version": openai.__version__}

seen["models"] = [model.id for model in client.models.list()]
model = seen["models"][0]
seen["model"] = client.models.retrieve(model).id

chat = client.chat.completions.create(model="openai/gpt-4o-mini", messages=messages)
seen["chat"] = chat.choices[0].message.content
stream = client.chat.completions.create(
    model="openai/gpt-4o-mini", messages=messages, stream=True
)
seen["stream"] = "".join(
    choice.delta.content or "" for chunk in stream for choice in chunk.choices
)
vectors = client.embeddings.create(
    model="text-embedding-3-small", input=["Ahoy", "there"]
)
seen["vectors"] = [len(item.embedding) for item in vectors.data]

drawn = client.images.generate(model="fal-ai/flux/dev", prompt="A gate", n=2)
seen["image_urls"] = [image.url for image in drawn.data or []]
drawn = client.images.generate(
    model="fal-ai/flux/dev", prompt="A gate", response_format="b64_json", n=1
)
assert drawn.data
seen["image"] = drawn.data[0].b64_json
edited = client.images.edit(
    image=("gate.png", PICTURE, "image/png"), prompt="At night, please"
)
assert edited.data
seen["edited_url"] = edited.data[0].url

sound = client.audio.speech.create(
    model="fal-ai/f5-tts",
    voice="nova",
    input="Every call is held first.",
    response_format="wav",
).read()
seen["speech"] = base64.b64encode(sound).decode()
file = io.BytesIO(sound)
file.name = "gate.wav"
heard = client.audio.transcriptions.create(model="fal-ai/whisper", file=file)
seen["heard"] = heard.text
seen["srt"] = client.audio.transcriptions.create(
    model="fal-ai/whisper", file=("gate.wav", sound), response_format="srt"
)
verbose = client.audio.transcriptions.create(
    model="fal-ai/whisper", file=("gate.wav", sound), response_format="verbose_json"
)
seen["verbose"] = {
    "text": verbose.text,
    "seconds": verbose.duration,
    "end": (verbose.segments or [])[-1].end,
}
seen["translated"] = client.audio.translations.create(
    model="fal-ai/whisper", file=("gate.wav", sound)
).text

if hasattr(client, "videos"):  # since 2.x
    video = client.videos.create_and_poll(
        prompt="A gate closes",
        seconds="4",
        size="720x1280",
        input_reference=("gate.png", PICTURE),
        poll_interval_ms=100,
    )
    content = client.videos.download_content(video.id).read()
    seen["video"] = {
        **video.to_dict(),
        "content": base64.b64encode(content).decode(),
    }

job: Any = client.post(
    "/videos/generations",
    cast_to=object,
    body={"prompt": "A gate opens", "duration_seconds": 1},
)
seen["job"] = job["id"]
looks: list[Any] = []
while not looks or looks[-1]["status"] not in ("completed", "failed"):
    looks.append(client.get(f"/jobs/{job['id']}?poll=true", cast_to=object))
seen["native_video"] = looks[-1]
seen["tune"] = client.post(
    "/music/generations?async=false",
    cast_to=object,
    body={"prompt": "A waltz", "duration_seconds": 2, "output_format": "wav"},
)

json.dump(seen, sys.stdout)
