"""Every operation by the openai packages and the AI SDK, before an upstream that
really makes things: what arrives is whole, and costs what its journal says."""

from __future__ import annotations

import base64
import json

import pytest

from tests.clients import packages
from tests.clients.packages import Client
from tests.proxy.conftest import Customers
from tests.support.gateway.journalled import assert_charges_are_the_journals, operations
from tests.support.sandbox import media_files
from tests.support.sandbox.server import KEY, Sandbox
from tests.support.services.fixtures import GatewayFactory

VIDEO = {"status": "completed", "seconds": "4", "size": "720x1280", "error": None}
PYTHON = [
    Client("openai", version, "openai_sdk_everything.py")
    for version in ("1.109.1", "2.54.0", "3.54.0")
]
NODE = Client("openai", "6.49.0", "openai_sdk_media.mjs")
AI_SDK = Client(
    "ai",
    "6.0.326",
    "ai_sdk_everything.mjs",
    beside=("@ai-sdk/openai@3.0.141", "@ai-sdk/openai-compatible@2.0.87"),
)


@pytest.mark.once
@pytest.mark.timeout(1200)  # it may have to be installed first
@pytest.mark.usefixtures("clean_ledger")
@pytest.mark.parametrize("client", PYTHON, ids=str)
def test_every_operation_works_by_the_openai_package(
    gateway: GatewayFactory, sandbox: Sandbox, customers: Customers, client: Client
) -> None:
    customer = customers()
    started = gateway(UPSTREAM_BASE_URL=sandbox.base_url, UPSTREAM_API_KEY=KEY)
    printed = packages.run(client, BASE_URL=started.base_url, API_KEY=customer.secret)
    seen = json.loads(printed)

    assert seen["version"] == client.version
    assert seen["model"] == seen["models"][0]
    assert seen["chat"] == seen["stream"] != ""
    assert len(set(seen["vectors"])) == 1
    assert len(seen["vectors"]) == 2
    assert len(set(seen["image_urls"])) == 2
    for url in (*seen["image_urls"], seen["edited_url"]):
        assert media_files.fetch(url, "image/png") == media_files.sample("png")
    assert base64.b64decode(seen["image"]) == media_files.sample("png")
    seconds = media_files.wav_millis(base64.b64decode(seen["speech"])) / 1000
    assert seconds > 0
    assert seen["heard"] == seen["verbose"]["text"] != ""
    assert seen["verbose"]["seconds"] == pytest.approx(seconds, abs=0.01)
    assert seen["verbose"]["end"] == pytest.approx(seconds, abs=0.01)
    assert seen["srt"].startswith("1\n00:00:00,000 --> 00:00:")
    assert seen["translated"] != ""
    assert seen["native_video"]["id"] == seen["job"]
    assert seen["native_video"]["status"] == "completed"
    media_files.fetch(seen["native_video"]["outputData"]["data"]["url"], "video/mp4")
    tune = media_files.fetch(seen["tune"]["data"]["audio_url"], "audio/wav")
    assert media_files.wav_millis(tune) == 2000
    has_videos = not client.version.startswith("1.")
    assert ("video" in seen) == has_videos
    if has_videos:
        assert seen["video"].items() >= VIDEO.items()
        video = base64.b64decode(seen["video"]["content"])
        assert video == media_files.sample("mp4")
    assert sorted(operations(sandbox)) == [
        "audio.speech",
        *4 * ["audio.transcriptions"],
        "chat.completions",
        "chat.completions",
        "embeddings",
        "images.edits",
        "images.generations",
        "images.generations",
        "music.generations",
        *(1 + has_videos) * ["videos.generations"],
    ]
    assert_charges_are_the_journals(customer, sandbox)


@pytest.mark.once
@pytest.mark.timeout(1200)  # it may have to be installed first
@pytest.mark.usefixtures("clean_ledger")
def test_pictures_sound_and_video_work_by_the_openai_package_for_javascript(
    gateway: GatewayFactory, sandbox: Sandbox, customers: Customers
) -> None:
    customer = customers()
    started = gateway(UPSTREAM_BASE_URL=sandbox.base_url, UPSTREAM_API_KEY=KEY)
    printed = packages.run(NODE, BASE_URL=started.base_url, API_KEY=customer.secret)
    seen = json.loads(printed)

    assert seen["version"] == NODE.version
    assert base64.b64decode(seen["image"]) == media_files.sample("png")
    assert media_files.wav_millis(base64.b64decode(seen["speech"])) > 0
    assert seen["heard"] != ""
    assert seen["srt"].startswith("1\n00:00:00,000 --> 00:00:")
    assert seen["video"].items() >= VIDEO.items()
    video = base64.b64decode(seen["videoContent"])
    assert video == media_files.sample("mp4")
    assert seen["streamed"] == 3  # all uploads: in chunks, of no length said before
    assert sorted(operations(sandbox)) == [
        "audio.speech",
        "audio.transcriptions",
        "audio.transcriptions",
        "images.generations",
        "videos.generations",
    ]
    assert_charges_are_the_journals(customer, sandbox)


@pytest.mark.once
@pytest.mark.timeout(1200)  # it may have to be installed first
@pytest.mark.usefixtures("clean_ledger")
def test_every_operation_that_the_ai_sdk_has_works_by_it(
    gateway: GatewayFactory, sandbox: Sandbox, customers: Customers
) -> None:
    customer, poor = customers(), customers(credits=0)
    started = gateway(UPSTREAM_BASE_URL=sandbox.base_url, UPSTREAM_API_KEY=KEY)
    printed = packages.run(
        AI_SDK,
        BASE_URL=started.base_url,
        API_KEY=customer.secret,
        POOR_API_KEY=poor.secret,
    )
    seen = json.loads(printed)

    assert seen["version"] == AI_SDK.version
    for chat in seen["chats"]:
        assert chat["text"] == chat["streamed"] != ""
        assert min(chat["tokens"]) > 0
    assert seen["vectors"] == 2 * [[1536, 1536, 3]]
    for image in seen["images"]:
        assert base64.b64decode(image) == media_files.sample("png")
    seconds = media_files.wav_millis(base64.b64decode(seen["speech"])) / 1000
    assert seen["heard"]["text"] != ""
    assert seen["heard"]["end"] == seen["heard"]["seconds"]
    assert seconds == pytest.approx(seen["heard"]["seconds"], abs=0.01)
    [refused] = seen["errors"]
    assert refused[0] == 402
    assert f"/o/{poor.organization.slug}/" in refused[1]
    assert sorted(operations(sandbox)) == [
        "audio.speech",
        "audio.transcriptions",
        *4 * ["chat.completions"],
        *2 * ["embeddings"],
        *2 * ["images.edits"],
        "images.generations",
    ]
    assert_charges_are_the_journals(customer, sandbox)
    assert poor.holds() == []
