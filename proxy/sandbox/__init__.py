"""The sandbox: an honest, deterministic stand-in for the upstream AI API.

It keeps the upstream's contract (`proxy/upstream/openapi.json`) and writes every charge
it makes into a journal, so that anybody can compare it with our ledger.
"""

from __future__ import annotations
