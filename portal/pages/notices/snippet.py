"""How a receiver verifies what comes: as people paste it into a program."""

from __future__ import annotations

VERIFY = """\
from flask import Flask, request
from openai import InvalidWebhookSignatureError, OpenAI

app = Flask(__name__)
client = OpenAI()  # with OPENAI_WEBHOOK_SECRET in the environment


@app.post("/hook")
def hook():
    try:
        event = client.webhooks.unwrap(request.get_data(), request.headers)
    except InvalidWebhookSignatureError:
        return "", 400
    # The same event may come twice: remember event.id, and answer 2xx soon.
    print(event.id, event.type, event.data)
    return "", 204
"""
