"""Responses that cannot be had: refused by the name of what was asked, and free."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxy.operations.test_responses import TOOL, respond
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"background": True}, "background"),
    ({"prompt": {"id": "p"}}, "prompt"),
    ({"num_images": 3}, "num_images"),
    ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
    ({"tools": [TOOL], "tool_choice": {"type": "mcp"}}, "tool_choice"),
    ({"tools": [{"type": "function"}]}, "tools.0.name"),
    ({"input": None}, "input"),
    ({"input": [7]}, "input.0"),
    ({"input": [{"type": "computer_call"}]}, "input.0.type"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input.0"),
    ({"input": [{"role": "tool", "content": "a"}]}, "input.0.role"),
    ({"input": [{"type": "function_call", "name": "f"}]}, "input.0.call_id"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
        "input.0.content.0",
    ),
    (
        {
            "instructions": "x",
            "input": [
                {
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "file:///a"}],
                }
            ],
        },
        "input.0.content.0",
    ),
    ({"input": []}, "input"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"text": {"format": {"type": "xml"}}}, "text.format"),
    ({"text": 7}, "text"),
    ({"temperature": 9}, "temperature"),
]


@pytest.mark.once
def test_what_cannot_be_done_is_refused_by_name_and_free(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    for fields, param in REFUSED:
        reply = respond(customer, live_gateway, **fields)
        assert reply.status_code == 400, (fields, reply.text)
        assert_refusal(reply, 400, reply.json()["error"]["code"])
        assert reply.json()["error"]["param"] == param
    assert_nothing_happened(customer, upstream)
