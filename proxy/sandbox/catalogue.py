"""The only place that says which models the sandbox has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proxy.sandbox import errors

CREATED = 1_735_689_600  # 2025-01-01, one date for all: the catalogue never changes


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    category: str
    tier: str
    capabilities: tuple[str, ...]
    owned_by: str

    def listed(self) -> dict[str, Any]:
        """The contract's Model; the tier appears only in replies."""
        return {
            "id": self.id,
            "object": "model",
            "created": CREATED,
            "owned_by": self.owned_by,
            "category": self.category,
            "capabilities": list(self.capabilities),
        }


CHAT = ("chat", "streaming", "vision", "web_search")
# Every model that the contract names as a default is here, and a few more.
MODELS = (
    Model("openai/gpt-4o-mini", "chat", "fast", CHAT, "openai"),
    Model("openai/gpt-4o", "chat", "standard", CHAT, "openai"),
    Model("anthropic/claude-3.5-sonnet", "chat", "premium", CHAT, "anthropic"),
    Model("flux/dev:free", "image", "fast", ("text_to_image",), "flux"),
    Model("fal-ai/flux/dev", "image", "standard", ("text_to_image",), "fal-ai"),
    Model("fal-ai/flux-pro/v1.1", "image", "premium", ("text_to_image",), "fal-ai"),
    Model(
        "fal-ai/flux/dev/image-to-image",
        "image",
        "standard",
        ("image_to_image",),
        "fal-ai",
    ),
    Model(
        "fal-ai/minimax/hailuo-02/standard/text-to-video",
        "video",
        "standard",
        ("text_to_video", "async"),
        "fal-ai",
    ),
    Model("fal-ai/f5-tts", "audio", "fast", ("text_to_speech",), "fal-ai"),
    Model("fal-ai/whisper", "audio", "fast", ("speech_to_text",), "fal-ai"),
    Model(
        "fal-ai/stable-audio", "music", "standard", ("text_to_music", "async"), "fal-ai"
    ),
    Model("text-embedding-3-small", "embedding", "fast", ("embedding",), "openai"),
    Model("text-embedding-3-large", "embedding", "standard", ("embedding",), "openai"),
)
BY_ID = {model.id: model for model in MODELS}


def find(model_id: str, *, category: str, capability: str = "") -> Model:
    """The model, which must be one of the category and, if named, capability.

    Raises: ModelNotFound, InvalidRequest when it does another kind of work.
    """
    model = BY_ID.get(model_id)
    if model is None:
        raise errors.ModelNotFound(model_id)
    if model.category != category:
        raise errors.InvalidRequest("model", f"{model.id} is not a {category} model")
    if capability and capability not in model.capabilities:
        raise errors.InvalidRequest("model", f"{model.id} has no {capability}")
    return model
