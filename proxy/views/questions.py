"""Free routes for a key's questions: before a call, after it, and about itself."""

from __future__ import annotations

import asyncio

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing.reports.balance import balance_of
from proxy.calls import exchange
from proxy.calls.call import Incoming
from proxy.http import reply
from proxy.process.database import read
from proxy.views import answers, quotes
from proxy.views.base import AsyncAPIView, read_json


class KeyView(AsyncAPIView):
    """What this key is, and what there is to spend."""

    async def get(self, request: Request) -> HttpResponseBase:
        identity = self.identity
        return reply.json(await read(lambda: answers.key(identity)))


class QuoteView(AsyncAPIView):
    """What a call would hold, and whether it would pass."""

    async def post(self, request: Request) -> HttpResponseBase:
        identity = self.identity
        asked = quotes.read(
            Incoming(
                document=await read_json(
                    request, bytes_max=settings.GATEWAY_BODY_BYTES_MAX
                ),
                query=request._request.GET.dict(),
                accept=request._request.META.get("HTTP_ACCEPT", ""),
            )
        )
        # A long body is read several times: others' calls go on meanwhile.
        call = await asyncio.to_thread(asked.call)
        rates = await exchange.rates_for(call)
        balance = await read(lambda: balance_of(identity.account_id))
        return reply.json(
            await asyncio.to_thread(quotes.quote, asked, call, rates, balance, identity)
        )


class RequestView(AsyncAPIView):
    """What became of one call of this key's organization."""

    async def get(self, request: Request, request_id: str) -> HttpResponseBase:
        account_id = self.identity.account_id
        return reply.json(await read(lambda: answers.request(account_id, request_id)))
