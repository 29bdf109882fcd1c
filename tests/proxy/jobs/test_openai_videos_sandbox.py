"""A video by the unmodified SDK, from an upstream that really makes it."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest

from tests.support.gateway.customers import Customer
from tests.support.gateway.journalled import assert_charges_are_the_journals, operations
from tests.support.sandbox import media_files
from tests.support.sandbox.server import KEY, Sandbox
from tests.support.services.fixtures import GatewayFactory

pytestmark = [
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
    pytest.mark.usefixtures("clean_ledger"),
]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def test_the_sdk_makes_a_video_and_keeps_it(
    gateway: GatewayFactory, sandbox: Sandbox, customer: Customer, tmp_path: Path
) -> None:
    started = gateway(UPSTREAM_BASE_URL=sandbox.base_url, UPSTREAM_API_KEY=KEY)
    videos = customer.openai(started).videos
    picture = tmp_path / "gate.png"
    picture.write_bytes(PNG)
    with picture.open("rb") as file:
        video = videos.create_and_poll(
            prompt="A gate opens",
            seconds="8",
            size="720x1280",
            input_reference=file,
            poll_interval_ms=100,
        )
    plain = videos.create_and_poll(
        prompt="A gate opens", seconds="8", poll_interval_ms=100
    )
    saved = tmp_path / "video.mp4"
    videos.download_content(video.id).write_to_file(saved)

    assert (video.status, video.progress, video.error) == ("completed", 100, None)
    assert (video.seconds, video.size) == ("8", "720x1280")
    assert (plain.seconds, plain.size) == ("8", "720x1280")
    job_id = f"job_{video.id.removeprefix('video_')}"
    job = customer.http(started).get(f"/jobs/{job_id}").json()
    made = job["outputData"]["data"]
    assert (made["width"], made["height"], made["duration_seconds"]) == (720, 1280, 8)
    assert saved.read_bytes() == media_files.fetch(made["url"], "video/mp4")
    # The picture was sent on: the same order without it has another address.
    other_id = f"job_{plain.id.removeprefix('video_')}"
    other = customer.http(started).get(f"/jobs/{other_id}").json()
    assert other["outputData"]["data"]["url"] != made["url"]
    assert operations(sandbox) == 2 * ["videos.generations"]
    assert_charges_are_the_journals(customer, sandbox)


@pytest.mark.once
def test_openais_own_models_are_names_like_any_other(
    gateway: GatewayFactory, sandbox: Sandbox, customer: Customer
) -> None:
    started = gateway(UPSTREAM_BASE_URL=sandbox.base_url, UPSTREAM_API_KEY=KEY)
    with pytest.raises(openai.NotFoundError) as refused:
        customer.openai(started).videos.create(prompt="A gate", model="sora-2")

    assert refused.value.code == "model_not_found"
    assert [hold.state for hold in customer.holds()] == ["released"]
