"""Which models the sandbox has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proxy.sandbox import errors

CREATED = 1_735_689_600  # 2025-01-01, one date for all: the catalogue never changes
CHAT = ("chat", "streaming", "vision", "web_search")


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    category: str
    tier: str
    capabilities: tuple[str, ...]

    def listed(self) -> dict[str, Any]:
        """The contract's Model; the tier appears only in replies."""
        owner, slash, _ = self.id.partition("/")
        return {
            "id": self.id,
            "object": "model",
            "created": CREATED,
            "owned_by": owner if slash else "openai",
            "category": self.category,
            "capabilities": list(self.capabilities),
        }


VIDEO = "fal-ai/minimax/hailuo-02/standard/text-to-video"
# Every model that the contract names as a default is here, and a few more.
MODELS = (
    Model("openai/gpt-4o-mini", "chat", "fast", CHAT),
    Model("openai/gpt-4o", "chat", "standard", CHAT),
    Model("anthropic/claude-3.5-sonnet", "chat", "premium", CHAT),
    Model("flux/dev:free", "image", "fast", ("text_to_image",)),
    Model("fal-ai/flux/dev", "image", "standard", ("text_to_image",)),
    Model("fal-ai/flux-pro/v1.1", "image", "premium", ("text_to_image",)),
    Model("fal-ai/flux/dev/image-to-image", "image", "standard", ("image_to_image",)),
    Model(VIDEO, "video", "standard", ("text_to_video", "async")),
    Model("fal-ai/f5-tts", "audio", "fast", ("text_to_speech",)),
    Model("fal-ai/whisper", "audio", "fast", ("speech_to_text",)),
    Model("fal-ai/stable-audio", "music", "standard", ("text_to_music", "async")),
    Model("text-embedding-3-small", "embedding", "fast", ("embedding",)),
    Model("text-embedding-3-large", "embedding", "standard", ("embedding",)),
)
BY_ID = {model.id: model for model in MODELS}


def find(model_id: str, capability: str) -> Model:
    """The model, which must be able to do what it is called for.

    Raises: Refusal (404 for an unknown model, 400 for one that does other work).
    """
    model = BY_ID.get(model_id)
    if model is None:
        raise errors.Refusal("model_not_found", model_id[:100])
    if capability not in model.capabilities:
        raise errors.invalid("model", f"{model.id} has no {capability}")
    return model
