"""The list of models."""

from __future__ import annotations

from proxy.upstream import schemas
from tests.support.sandbox.server import Sandbox


def test_the_list_keeps_the_contract(sandbox: Sandbox) -> None:
    with sandbox.http() as client:
        reply = client.get("/models")
    schemas.validator("ModelsListResponse").validate(reply.json())
    assert reply.headers["x-request-id"].startswith("req-")
    categories = {model["category"] for model in reply.json()["data"]}
    assert categories == {"chat", "image", "video", "audio", "music", "embedding"}


def test_the_openai_sdk_lists_the_models(sandbox: Sandbox) -> None:
    with sandbox.openai() as client:
        names = [model.id for model in client.models.list()]
    assert len(names) == len(set(names))
    assert {"openai/gpt-4o-mini", "openai/gpt-4o", "flux/dev:free"} <= set(names)


def test_every_model_the_contract_names_as_default_exists(sandbox: Sandbox) -> None:
    requests = schemas.components()["schemas"].values()
    defaults = {
        schema["properties"]["model"]["default"]
        for schema in requests
        if "default" in schema["properties"].get("model", {})
    }
    with sandbox.openai() as client:
        assert defaults <= {model.id for model in client.models.list()}
