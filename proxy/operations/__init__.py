"""Every way to spend: the table that the routes, and nothing else, are made of.

One module for each operation says what clients send, what the upstream wants and
takes at most, and how its answer becomes theirs.
"""

from __future__ import annotations

from proxy.operations import (
    chat,
    completions,
    embeddings,
    image_edits,
    images,
    music,
    openai_videos,
    responses,
    speech,
    transcriptions,
    videos,
)

OPERATIONS = (
    chat.OPERATION,
    responses.OPERATION,
    completions.OPERATION,
    embeddings.OPERATION,
    images.OPERATION,
    image_edits.OPERATION,
    videos.OPERATION,
    openai_videos.OPERATION,
    music.OPERATION,
    speech.OPERATION,
    transcriptions.OPERATION,
    transcriptions.TRANSLATION,
)
