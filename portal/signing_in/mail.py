"""Sending mail beside the page, so that a mail server delays and tells nobody anything.

A page that mails only sometimes would say by its time what it must not say by its
words. The mails wait in the memory of their process: one that ends sends what it has,
and who gets no code asks for another.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

log = logging.getLogger(__name__)

SENDERS = 2
WAITING_MAX = 200
_pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="mail")
_places = BoundedSemaphore(WAITING_MAX)


class Backend(BaseEmailBackend):
    """Hands messages to the backend of EMAIL_URL, in a thread of its own."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        taken = 0
        for message in email_messages:
            if not _places.acquire(blocking=False):
                log.error("mail: %d are waiting; one was not sent", WAITING_MAX)
                continue
            _pool.submit(_send, message)
            taken += 1
        return taken


def _send(message: EmailMessage) -> None:
    """What fails is logged without its text, which may hold a code."""
    try:
        connection: Any = get_connection(settings.MAIL_BACKEND)
        connection.send_messages([message])
    except Exception as error:  # noqa: BLE001  whatever a mail server does
        log.error("mail: not sent: %s", type(error).__name__)
    finally:
        _places.release()
