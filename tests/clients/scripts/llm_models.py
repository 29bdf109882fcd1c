"""Simon Willison's llm, with a model of its file for others than OpenAI."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from framework import (
    API_KEY,
    ASK,
    BASE_URL,
    LOOK,
    MODEL,
    PICTURE,
    USE_TOOL,
    Town,
    tell,
    weather,
)

home = Path(tempfile.mkdtemp())
os.environ["LLM_USER_PATH"] = str(home)
(home / "extra-openai-models.yaml").write_text(
    f"- model_id: ours\n  model_name: {MODEL}\n  api_base: {BASE_URL}\n"
    "  api_key_name: ours\n"
    "  supports_tools: true\n  supports_schema: true\n  vision: true\n"
)
import llm  # noqa: E402  it reads its folder then

model = llm.get_model("ours")
model.key = API_KEY
picture = llm.Attachment(content=PICTURE, type="image/png")
structured = model.prompt(ASK, schema=Town, stream=False).text()
tell(
    plain=model.prompt(ASK, stream=False).text(),
    stream="".join(model.prompt(ASK)),
    tool=model.chain(USE_TOOL, tools=[weather]).text(),
    structured=json.loads(structured),
    image=model.prompt(LOOK, attachments=[picture]).text(),
)
