"""Edits of images: files become data URIs, addresses are handed on and not followed."""

from __future__ import annotations

import base64
import socket
from pathlib import Path
from typing import Any

import openai
import pytest

from billing.values.orders import CREDIT
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, file_reply, images_json

PATH = "/images/edits"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
JPEG = b"\xff\xd8\xff\xe0" + b"\r\n--boundary" * 100
WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 " + b"\x00" * 50
ADDRESS = "https://10.0.0.1/cat.png"  # not public: nobody is asked
EDIT = 12  # credits, by the tariff


def data_uri(content: bytes, content_type: str) -> str:
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"


def test_the_sdks_files_are_forwarded_inside_json(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(path=PATH, reply=images_json(ADDRESS, credits=11))
    images = customer.openai(live_gateway).images.edit(
        image=PNG, mask=("mask.png", PNG), prompt="a hat", size="1024x1024", n=1
    )

    [entry], [hold], [record] = upstream.journal, customer.holds(), customer.records()
    assert images.data is not None
    assert images.data[0].url == ADDRESS
    assert entry.headers["content-type"] == "application/json"
    assert entry.body == {
        "prompt": "a hat",
        "image": data_uri(PNG, "image/png"),
        "mask": data_uri(PNG, "image/png"),
        "size": "1024x1024",
        "model": "fal-ai/flux/dev/image-to-image",
    }
    assert hold.amount_micros == EDIT * CREDIT
    assert record.charged_micros == 11 * CREDIT == upstream.total_credits() * CREDIT


@pytest.mark.once
@pytest.mark.parametrize(
    ("content", "content_type"),
    [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")],
)
def test_a_file_is_what_its_bytes_say(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    content: bytes,
    content_type: str,
) -> None:
    customer.openai(live_gateway).images.edit(
        image=[("a.txt", content, "text/plain")], prompt="a hat"
    )

    entry, *_fetched = upstream.journal
    assert entry.body["image"] == data_uri(content, content_type)


@pytest.mark.once
def test_a_large_file_arrives_whole_from_disk(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, tmp_path: Path
) -> None:
    content = PNG + bytes(range(251)) * 12_000  # 3 MB, in no way aligned
    path = tmp_path / "large.png"
    path.write_bytes(content)
    with path.open("rb") as file:
        customer.openai(live_gateway).images.edit(image=file, prompt="a hat")

    entry, *_fetched = upstream.journal
    assert entry.body["image"] == data_uri(content, "image/png")


@pytest.mark.once
def test_an_address_may_stand_for_a_file(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.2)
        near = f"http://127.0.0.1:{canary.getsockname()[1]}/cat.png"
        for address in (ADDRESS, near, data_uri(PNG, "image/png")):
            as_text = http.post(
                PATH, data={"prompt": "p"}, files={"image": (None, address)}
            )
            as_json = http.post(PATH, json={"prompt": "p", "image": address, "n": 1})
            assert (as_text.status_code, as_json.status_code) == (200, 200)
        with pytest.raises(TimeoutError):  # handed on, and not followed here
            canary.accept()
    customer.openai(live_gateway).images.edit(
        image=b"", prompt="p", extra_body={"image": ADDRESS}
    )

    sent = [each.body["image"] for each in upstream.journal if each.body]
    uri = data_uri(PNG, "image/png")
    assert sent == [ADDRESS, ADDRESS, near, near, uri, uri, ADDRESS]


@pytest.mark.once
def test_b64_json_is_put_in(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(path="/hat.png", reply=file_reply(PNG, "image/png"))
    upstream.on(path=PATH, reply=images_json(f"{upstream.url}/hat.png"))
    images = customer.openai(live_gateway).images.edit(
        image=PNG, prompt="a hat", response_format="b64_json"
    )

    assert images.data is not None
    assert base64.b64decode(images.data[0].b64_json or "") == PNG
    assert images.data[0].url is None


@pytest.mark.once
def test_both_are_the_answer_to_those_who_do_not_say(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http, client = customer.http(live_gateway), customer.openai(live_gateway)
    upstream.on(path="/hat.png", reply=file_reply(PNG, "image/png"))
    upstream.on(path=PATH, reply=images_json(url := f"{upstream.url}/hat.png"))
    form: dict[str, Any] = {"data": {"prompt": "p"}, "files": {"image": PNG}}
    as_json = {"prompt": "p", "image": ADDRESS}
    replies = [http.post(PATH, **form).json(), http.post(PATH, json=as_json).json()]
    replies.append(client.images.edit(image=PNG, prompt="p").model_dump())
    form["data"]["response_format"] = "url"
    [said] = http.post(PATH, **form).json()["data"]

    for reply in replies:
        [both] = reply["data"]
        assert (both["url"], base64.b64decode(both["b64_json"])) == (url, PNG)
        assert reply["usage"]["input_tokens"] == reply["usage"]["output_tokens"] == 0
    assert (said["url"], "b64_json" in said) == (url, False)


@pytest.mark.once
def test_it_gets_the_address_alone_where_the_file_cannot_be_fetched(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(path=PATH, reply=images_json("http://10.0.0.1/hat.png"))
    reply = customer.http(live_gateway).post(
        PATH, data={"prompt": "p"}, files={"image": PNG}
    )

    [image] = reply.json()["data"]
    assert (image["url"], "b64_json" in image) == ("http://10.0.0.1/hat.png", False)


@pytest.mark.once
def test_half_the_size_costs_half_and_openais_fields_stay_here(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(path=PATH, reply=images_json(ADDRESS, usage=None))
    reply = customer.openai(live_gateway).images.with_raw_response.edit(
        image=PNG,
        prompt="a hat",
        size="512x512",
        quality="high",
        background="opaque",
        input_fidelity="high",
        output_format="png",
        user="u-1",
        model="m",
    )

    [entry], [hold], [record] = upstream.journal, customer.holds(), customer.records()
    assert set(entry.body) == {"image", "prompt", "size", "model"}
    ignored = "quality, background, output_format, input_fidelity"
    assert reply.headers["x-ignored-parameters"] == ignored
    assert hold.amount_micros == record.charged_micros == EDIT * CREDIT // 2


FILE = ("a.png", PNG)
Parts = list[tuple[str, Any]]
IMAGE: Parts = [("image", FILE)]


def text(name: str, value: str) -> tuple[str, Any]:
    return name, (None, value)


REFUSED: list[tuple[Parts, str | None]] = [
    ([], None),
    ([*IMAGE, *IMAGE], "image"),
    ([("image[]", FILE), ("image[]", FILE)], "image"),
    ([("image[]", FILE), ("image", FILE)], "image"),
    ([*IMAGE, text("image", ADDRESS)], "image"),
    ([("image", ("a.png", b""))], "image"),
    ([("image", ("a.png", b"GIF89a" + PNG))], "image"),
    ([("image", ("a.svg", b"<svg/>", "image/svg+xml"))], "image"),
    ([text("image", "file:///etc/passwd")], "image"),
    ([text("image", "/tmp/a.png")], "image"),
    ([text("image", "data:text/html;base64,AAAA")], "image"),
    ([text("image", "data:image/png,AAAA")], "image"),
    ([text("image", "https://a/" + "x" * 8192)], "image"),
    ([*IMAGE, ("mask", ("m", b"junk"))], "mask"),
    ([*IMAGE, text("mask", "gopher://a")], "mask"),
    ([*IMAGE, text("n", "2")], "n"),
    ([*IMAGE, text("size", "1792x1024")], "size"),
    ([*IMAGE, text("stream", "true")], "stream"),
    ([*IMAGE, text("partial_images", "1")], "partial_images"),
    ([*IMAGE, text("response_format", "png")], "response_format"),
    ([*IMAGE, text("model", "a"), text("model", "b")], "model"),
    ([*IMAGE, ("model", FILE)], "model"),
    ([*IMAGE, ("made_up", FILE)], "made_up"),
]


@pytest.mark.once
def test_forms_that_make_no_edit_are_refused_by_name(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    for parts, param in REFUSED:
        reply = http.post(PATH, files=[text("prompt", "a hat"), *parts])
        assert reply.status_code == 400, parts
        assert reply.json()["error"]["param"] == param, (parts, reply.text)
        assert_refusal(reply, 400, reply.json()["error"]["code"])
    assert_nothing_happened(customer, upstream)


@pytest.mark.once
@pytest.mark.parametrize(
    "image", [None, 7, "", "cat.png", "ftp://a/b", [], ["https://a/b"] * 2, {}]
)
def test_json_without_an_image_is_refused(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, image: Any
) -> None:
    reply = customer.http(live_gateway).post(
        PATH, json={"prompt": "a hat", "image": image}
    )

    assert_refusal(reply, 400, "invalid_request")
    assert_nothing_happened(customer, upstream)


@pytest.mark.once
def test_variations_do_not_exist(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    with (
        pytest.warns(DeprecationWarning, match="deprecated"),
        pytest.raises(openai.NotFoundError) as caught,
    ):
        customer.openai(live_gateway).images.create_variation(image=PNG)

    assert caught.value.code == "unsupported_endpoint"
    assert_nothing_happened(customer, upstream)
