"""Who made a call, as everything was called then: of a hold, and of its usage record.

The hold's own transaction reads names and units with the spender. A name that is
changed later, or a member who has left, changes no row.
"""

from __future__ import annotations

from django.db import models

from billing.models.account import LABEL_MAX, UNCHECKED, Unit

CLIENT_MAX, VERSION_MAX, SESSION_MAX = 64, 32, 64
# The columns, as rows of the ledger name them.
CALLER = (
    *("project_id", "holder_id", "spender_label", "project_label", "holder_label"),
    *("client", "client_version", "session"),
)


class Caller(models.Model):
    """The units above the spender, the names of all three, and the program."""

    project = models.ForeignKey(Unit, related_name="+", null=True, **UNCHECKED)
    holder = models.ForeignKey(Unit, related_name="+", null=True, **UNCHECKED)
    spender_label = models.CharField(max_length=LABEL_MAX, blank=True)
    project_label = models.CharField(max_length=LABEL_MAX, blank=True)
    holder_label = models.CharField(max_length=LABEL_MAX, blank=True)
    # The program that called, by its own word: the gateway bounds how many there are.
    client = models.CharField(max_length=CLIENT_MAX, blank=True)
    client_version = models.CharField(max_length=VERSION_MAX, blank=True)
    # What the client itself calls a run or a conversation.
    session = models.CharField(max_length=SESSION_MAX, blank=True)

    class Meta:
        abstract = True
