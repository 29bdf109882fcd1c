"""Videos: always a job at the upstream, whose price follows from what was asked."""

from __future__ import annotations

from billing.pricing.rates import Units
from proxy.calls.call import Call, Incoming, Mode, Operation
from proxy.operations import bodies
from proxy.upstream import contract, schemas

NAME = "videos.generations"
SCHEMA = "VideoGenerationRequest"
# Also for clients that wait for the video: a crash of ours can still ask about a job.
PATH = "/videos/generations?async=true"
FPS_DEAR = 60
# A resolution is named after the video's shorter side, in pixels.
SHORT_SIDE = {"720p": 720, "1080p": 1080, "4k": 2160}


def size(resolution: str, aspect_ratio: str) -> str:
    """`<width>x<height>` of what the contract calls "720p" and "9:16"."""
    across, down = map(int, aspect_ratio.split(":"))
    side, shorter = SHORT_SIDE[resolution], min(across, down)
    return f"{side * across // shorter}x{side * down // shorter}"


def read(incoming: Incoming) -> Call:
    """The call that a request body asks for. Raises: GatewayError (400)."""
    bodies.refuse_streaming(incoming.document)
    is_job = bodies.wants_job(incoming.query, default=True)
    body = bodies.meaningful(incoming.document, ("stream",))
    bodies.fill(body, SCHEMA, "model", "duration_seconds", "resolution", "fps")
    contract.check(body, SCHEMA)
    bodies.check_addresses(body, "source_image", "source_video")
    options: tuple[str, ...] = (body["resolution"],)
    if body["fps"] == FPS_DEAR:
        options += ("60fps",)
    ratio = body.get("aspect_ratio") or schemas.defaults(SCHEMA)["aspect_ratio"]
    units = Units(media_ms=bodies.media_ms(body), options=options)
    return Call(
        operation=NAME,
        path=PATH,
        model=contract.model_name(body),
        content=contract.write(body),
        most=units,
        least=units,
        mode=Mode.JOB if is_job else Mode.AWAITED,
        traits=bodies.traits(body, SCHEMA, "mode"),
        remembered={"size": size(body["resolution"], ratio)},
    )


OPERATION = Operation(NAME, "videos/generations", read)
