"""When each task of the timetable is due, and which worker runs it."""

from __future__ import annotations

from django.db import models


class ScheduledTask(models.Model):
    """One line of the timetable (`portal/runtime/timetable.py`), by the task's name.

    Whoever takes a due task writes the next time in the same transaction, so no time
    is taken twice. While it runs, its worker counts `beats`: a worker that counts no
    more is dead, whatever any clock says.
    """

    task = models.CharField(max_length=100, primary_key=True)
    due_at = models.DateTimeField()
    # The worker that runs it; none while nobody does.
    taken_by = models.UUIDField(null=True)
    beats = models.BigIntegerField(default=0)
    # Runs that failed, since the last one that did not.
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "portal_scheduledtask"

    def __str__(self) -> str:
        return f"{self.task} due at {self.due_at:%Y-%m-%d %H:%M:%S}"
