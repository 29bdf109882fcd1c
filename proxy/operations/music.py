"""Music: always a job at the upstream, priced by its length."""

from __future__ import annotations

from billing.pricing.rates import Units
from proxy.calls.call import Call, Incoming, Mode, Operation
from proxy.operations import bodies
from proxy.upstream import contract

NAME = "music.generations"
SCHEMA = "MusicGenerationRequest"
# Also for clients that wait for it: a crash of ours can still ask about a job.
PATH = "/music/generations?async=true"


def read(incoming: Incoming) -> Call:
    """The call that a request body asks for. Raises: GatewayError (400)."""
    bodies.refuse_streaming(incoming.document)
    is_job = bodies.wants_job(incoming.query, default=True)
    body = bodies.meaningful(incoming.document, ("stream",))
    bodies.fill(body, SCHEMA, "model", "duration_seconds")
    contract.check(body, SCHEMA)
    bodies.check_addresses(body, "source_audio")
    units = Units(media_ms=bodies.media_ms(body))
    return Call(
        operation=NAME,
        path=PATH,
        model=contract.model_name(body),
        content=contract.write(body),
        most=units,
        least=units,
        mode=Mode.JOB if is_job else Mode.AWAITED,
        traits=bodies.traits(body, SCHEMA, "mode"),
    )


OPERATION = Operation(NAME, "music/generations", read)
