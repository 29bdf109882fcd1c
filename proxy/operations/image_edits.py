"""Edits of an image: a form with files, or JSON with addresses, as SDKs send either.

The upstream takes addresses in JSON; `uploads.py` makes them of files.
"""

from __future__ import annotations

from billing.pricing.rates import Units
from proxy.calls.call import Call, Incoming, Operation
from proxy.http import refusals
from proxy.operations import bodies, images, uploads
from proxy.upstream import contract

NAME = "images.edits"
PATH = "/images/edits"
SCHEMA = "ImageEditRequest"
IGNORED = (*images.IGNORED, "input_fidelity")
DROPPED = (*images.DROPPED, "input_fidelity", "n")


def read(incoming: Incoming) -> Call:
    """The call that a request asks for. Raises: GatewayError (400)."""
    document = incoming.document
    bodies.refuse_streaming(document)
    if document.get("n") not in (None, 1, "1"):
        raise refusals.invalid(
            "n must be 1: the upstream edits one image at a time.", param="n"
        )
    wanted = bodies.one_of(document, "response_format", images.FORMATS)
    body = bodies.meaningful(document, DROPPED)
    for name in ("image", "mask"):
        if name in body:
            body[name] = uploads.as_address(uploads.only_one(body[name], name), name)
    images.let_default_size(body)
    bodies.fill(body, SCHEMA, "model", "size")
    uploads.refuse_others(body)
    contract.check(body, SCHEMA)
    units = Units(images=1, options=(body["size"],))
    return Call(
        operation=NAME,
        path=PATH,
        model=contract.model_name(body),
        content=contract.write(body),
        most=units,
        least=units,
        traits=bodies.traits(body, SCHEMA, "mask"),
        ignored=bodies.ignored(document, IGNORED),
        count=images.count,
        answer=images.ANSWERS[wanted],
    )


OPERATION = Operation(NAME, "images/edits", read, takes_forms=True)
