"""The audit trail becomes append-only and chained, with all that it holds already."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from portal.tenants import chain

ROWS_AT_ONCE = 1000

# Numbers and chains what this transaction has written, when it commits. Whatever it
# did before, the ends of the chains are the last it locks, in one order.
CHAIN = """
CREATE FUNCTION portal_chain_audit() RETURNS trigger AS $$
DECLARE
    event record;
    head record;
BEGIN
    IF NOT EXISTS (
        SELECT FROM portal_auditevent WHERE id = NEW.id AND number IS NULL
    ) THEN
        RETURN NULL;
    END IF;
    INSERT INTO portal_auditchain (id, number, chain)
        SELECT DISTINCT coalesce(organization_id, 0), 0, ''
        FROM portal_auditevent WHERE number IS NULL ORDER BY 1
        ON CONFLICT DO NOTHING;
    PERFORM FROM portal_auditchain WHERE id IN (
        SELECT coalesce(organization_id, 0)
        FROM portal_auditevent WHERE number IS NULL
    ) ORDER BY id FOR UPDATE;
    FOR event IN
        SELECT id, coalesce(organization_id, 0) AS chain_id, digest
        FROM portal_auditevent WHERE number IS NULL ORDER BY id
    LOOP
        UPDATE portal_auditchain AS ends
        SET number = ends.number + 1,
            chain = encode(sha256(convert_to(ends.chain || chr(10)
                || (ends.number + 1)::text || chr(10) || event.digest, 'UTF8')), 'hex')
        WHERE ends.id = event.chain_id
        RETURNING ends.number, ends.chain INTO head;
        UPDATE portal_auditevent SET number = head.number, chain = head.chain
        WHERE id = event.id;
    END LOOP;
    RETURN NULL;
END
$$ LANGUAGE plpgsql
"""
CHAIN_AT_COMMIT = """
CREATE CONSTRAINT TRIGGER portal_auditevent_chain AFTER INSERT ON portal_auditevent
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_chain_audit()
"""
REFUSE = """
CREATE FUNCTION portal_refuse_audit_change() RETURNS trigger AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.number IS NULL AND NEW.number IS NOT NULL
        AND to_jsonb(NEW) - 'number' - 'chain' = to_jsonb(OLD) - 'number' - 'chain'
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$ LANGUAGE plpgsql
"""


def chain_what_is_there(apps: StateApps, _editor: BaseDatabaseSchemaEditor) -> None:
    events = apps.get_model("portal", "AuditEvent")
    ends = apps.get_model("portal", "AuditChain")
    rows = events.objects.order_by("organization_id", "id").iterator(ROWS_AT_ONCE)
    for organization_id, own in groupby(rows, attrgetter("organization_id")):
        head, written = chain.Head(), []
        for event in own:
            event.digest = chain.digest_of(event)
            head = chain.linked(head, event.digest)
            event.number, event.chain = head
            written.append(event)
            if len(written) == ROWS_AT_ONCE:
                _write(events, written)
        _write(events, written)
        ends.objects.create(
            id=organization_id or chain.NO_ORGANIZATION,
            number=head.number,
            chain=head.chain,
        )


def _write(events: type[models.Model], written: list[models.Model]) -> None:
    events._default_manager.bulk_update(written, ["digest", "number", "chain"])
    written.clear()


def guard(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    is_postgres = editor.connection.vendor == "postgresql"
    if is_postgres:
        for text in (CHAIN, CHAIN_AT_COMMIT, REFUSE):
            editor.execute(text, params=None)  # the percent sign is PL/pgSQL's
    for verb in ("UPDATE", "DELETE"):
        trigger = (
            f"CREATE TRIGGER portal_auditevent_refuse_{verb.lower()} "
            f"BEFORE {verb} ON portal_auditevent "
        )
        if is_postgres:
            trigger += "FOR EACH ROW EXECUTE FUNCTION portal_refuse_audit_change()"
        else:
            trigger += (
                "BEGIN SELECT RAISE(ABORT, 'portal_auditevent is append-only'); END"
            )
        editor.execute(trigger)


def unguard(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    is_postgres = editor.connection.vendor == "postgresql"
    on_table = " ON portal_auditevent" if is_postgres else ""
    for verb in ("update", "delete"):
        editor.execute(f"DROP TRIGGER portal_auditevent_refuse_{verb}{on_table}")
    if is_postgres:
        editor.execute("DROP TRIGGER portal_auditevent_chain ON portal_auditevent")
        editor.execute("DROP FUNCTION portal_chain_audit()")
        editor.execute("DROP FUNCTION portal_refuse_audit_change()")


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0008_key_limits"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditChain",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("number", models.BigIntegerField(default=0)),
                ("chain", models.CharField(default="", max_length=64)),
            ],
            options={"db_table": "portal_auditchain"},
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="actor",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="auditevent", name="at", field=models.DateTimeField()
        ),
        migrations.AddField(
            model_name="auditevent",
            name="request_id",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="digest",
            field=models.CharField(default="", max_length=64),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="number",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="chain",
            field=models.CharField(default="", max_length=64),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                condition=models.Q(("number__isnull", True)),
                fields=["id"],
                name="auditevent_unchained",
            ),
        ),
        migrations.AddConstraint(
            model_name="auditevent",
            constraint=models.UniqueConstraint(
                fields=("organization", "number"), name="auditevent_number_once_each"
            ),
        ),
        migrations.AddConstraint(
            model_name="auditevent",
            constraint=models.UniqueConstraint(
                condition=models.Q(("organization__isnull", True)),
                fields=("number",),
                name="auditevent_number_once_of_none",
            ),
        ),
        migrations.RunPython(chain_what_is_there, migrations.RunPython.noop),
        migrations.RunPython(guard, unguard),
    ]
