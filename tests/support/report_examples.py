"""Small reports for the tests of what is rendered: one table of each fate, and texts that mean harm."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from etl.core.drift import Drift, DriftAction, DriftKind
from etl.core.report import (
    Difference,
    DifferenceTotal,
    DriftReport,
    ExpectationReport,
    Outcome,
    RejectGroup,
    SequenceReport,
    SourceReport,
    Status,
    TableReport,
    TargetReport,
)
from etl.core.row_examples import RowExample
from etl.reporting.report import Report

STARTED = datetime(2026, 11, 22, 22, 43, 21, tzinfo=UTC)
SECRET = "hunter2"
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>' onclick=alert(2) x='",
    "a|b`c`\n| d | [x](https://evil.example) ~~e~~ @all #1 *f* $g$ :smile: www.evil.example",
    "nul\0 escape\x1b[31m bell\a delete\x7f next\x85line\u2028separator",
    "\u202eright to left\u202c \u2066isolate\u2069 \u200bzero \ufeffmark",
    "very_long_" * 60,
    "{{ 7 * 7 }} {% raw %} &lt;b&gt; &amp; </style> </title> -->",
)


def table(name: str = "users", rows: int = 5, **changes: object) -> TableReport:
    """A table all of whose rows were loaded and compared, but for `changes`."""
    settled = TableReport(
        name,
        Status.MIGRATED,
        source_rows=rows,
        loaded_rows=rows,
        present_rows=0,
        present_different_rows=0,
        rejected_rows=0,
        unaccounted_rows=0,
        target_rows_before=0,
        target_rows_after=rows,
        matched_rows=rows,
        different_rows=0,
        missing_rows=0,
        extra_rows=0,
        seconds=0.25,
    )
    return replace(settled, **changes)  # type: ignore[arg-type]


def uncompared(report: TableReport) -> TableReport:
    """The same table before its values were compared."""
    return replace(report, matched_rows=None, different_rows=None, missing_rows=None, extra_rows=None)


def report(*tables: TableReport, **changes: object) -> Report:
    """A report of these tables that went well, but for `changes`."""
    plain = Report(
        run_id="20261122T224321Z-5feda1",
        started_at=STARTED,
        finished_at=STARTED + timedelta(seconds=247),
        outcome=Outcome.RECONCILED,
        source=SourceReport("data/unified.db", 487_424, "3.40.1"),
        target=TargetReport("postgresql://app@db:5432/chat", "18.4", embedded=False),
        tables=tables,
        timings={"plan": 0.1, "load": 2.0},
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def clean() -> Report:
    """820 rows of two tables, compared; one sequence; every expectation held."""
    return report(
        table("users", 800),
        table("audit_logs", 20),
        sequences=(SequenceReport("audit_logs_id_seq", "audit_logs", "id", 20, 21),),
        expectations=(expectation(success=True), expectation(success=True)),
    )


def expectation(**changes: object) -> ExpectationReport:
    """An expectation that did not hold, but for `changes`."""
    plain = ExpectationReport(
        table="users",
        expectation="role is one of 'user', 'admin'",
        column="role",
        severity="critical",
        unexpected_rows=0,
        judged_rows=100,
        success=False,
        notes="the CHECK of the target",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def difference(**changes: object) -> dict[str, object]:
    """An entry of `differences`: a changed text, but for `changes`."""
    plain = Difference("users", {"id": 7}, "name", "Anna", "text", "Anne", "changed_text")
    return replace(plain, **changes).to_dict()  # type: ignore[arg-type]


BAD_TITLE = "9 of 1,160 rows did not arrive, and 9 differ from the source; 1,204 rows of 1 more table were not loaded."


def bad() -> Report:
    """Every kind of finding: rejected, present with other content, different, missing, extra, drift, left out."""
    return report(
        table("settled", 10),
        table("users", 100, loaded_rows=90, rejected_rows=8, present_rows=2, target_rows_after=90, matched_rows=90),
        table(
            *("sessions", 50),
            loaded_rows=46,
            present_rows=4,
            present_different_rows=3,
            target_rows_before=4,
            matched_rows=47,
            different_rows=3,
        ),
        table("messages", 1000, matched_rows=993, different_rows=6, missing_rows=1, extra_rows=5, extra_present_rows=3),
        TableReport("alert_history", Status.MISSING_IN_SOURCE),
        TableReport("legacy_notes", Status.NOT_MIGRATED, source_rows=1204),
        outcome=Outcome.DIFFERENCES,
        rejects=(
            RejectGroup(
                *("users", "convert", "created_at", "0000-00-00 is not a date", 5),
                examples=(RowExample(4, 4, {"id": "u-4"}, {"created_at": "'0000-00-00'"}), RowExample(9, None, {}, {})),
                file="rejects/users.ndjson",
            ),
            RejectGroup("users", "load", "access_token", f'invalid input value for enum kind: "{SECRET}"', 3),
        ),
        drift=(
            DriftReport.of(Drift("users", "theme", DriftKind.COLUMN_MISSING_IN_TARGET, 5, DriftAction.DROPPED)),
            DriftReport("users", "locale", "column_missing_in_target", 2, "not compared", settled=False),
            DriftReport.of(
                Drift("legacy_notes", None, DriftKind.TABLE_MISSING_IN_TARGET, 1204, DriftAction.NOT_MIGRATED)
            ),
        ),
        expectations=(
            expectation(unexpected_rows=8),
            expectation(
                column="bio",
                severity="warning",
                unexpected_rows=200_000,
                file="warnings/users.ndjson",
                examples=(RowExample(7, 7, {"id": "u-7"}, {"bio": "''"}),),
            ),
            expectation(success=True),
        ),
        differences=(
            difference(table="messages"),
            difference(table="messages", column="password_hash", source=SECRET, target=SECRET + "!"),
            difference(
                table="messages",
                column=None,
                kind="missing",
                key={"id": 9, "share_token": SECRET},
                source={"id": 9, "share_token": SECRET, "tag": "blue"},
                storage=None,
                target=None,
            ),
            difference(table="messages", column="score", source=0.5, storage="real", target="0.25", kind="lost_digits"),
        ),
        difference_kinds=(
            DifferenceTotal("messages", "sent_at", "time_shifted", 2, shift_seconds=-32_400, whole_column=True),
            DifferenceTotal("messages", "name", "changed_text", 4, present_before=True),
            DifferenceTotal("messages", None, "extra", 3),
            DifferenceTotal("messages", "score", "narrowed_by_type", 700),
        ),
    )


def hostile() -> Report:
    """Every text that comes from the data, the files or the servers means harm."""
    groups = [(text, HOSTILE[place - 1]) for place, text in enumerate(HOSTILE)]
    return report(
        *(table(text, 10, rejected_rows=1, loaded_rows=9) for text, _ in groups),
        *(TableReport(f"left {text}", Status.NOT_MIGRATED, source_rows=1) for text, _ in groups),
        *(TableReport(f"absent {text}", Status.MISSING_IN_SOURCE) for text, _ in groups),
        outcome=Outcome.DIFFERENCES,
        source=SourceReport(HOSTILE[0] + HOSTILE[1], 1, HOSTILE[0]),
        target=TargetReport(HOSTILE[1], HOSTILE[0], embedded=True),
        rejects=tuple(
            RejectGroup(text, other, other, text, 1, examples=(RowExample(1, 1, {text: other}, {other: text}),))
            for text, other in groups
        ),
        differences=tuple(
            difference(table=text, column=other, key={text: other}, source=text, storage=text, target=other)
            for text, other in groups
        ),
        difference_kinds=tuple(
            DifferenceTotal(text, other, kind, 1) for text, other in groups for kind in ("other", "narrowed_by_type")
        ),
        drift=tuple(DriftReport(text, other, text, 1, other) for text, other in groups),
        sequences=tuple(SequenceReport(text, other, text, 1, 2) for text, other in groups),
        expectations=tuple(
            expectation(table=text, column=other, expectation=text, severity=other, notes=text)
            for text, other in groups
        ),
        timings=dict.fromkeys(HOSTILE, 1.0),
        error="\n".join(HOSTILE),
        run_id=HOSTILE[0],
    )


def many_differences() -> Report:
    """10,000 differences of 200 columns."""
    columns = [f"column_{n}" for n in range(200)]
    return report(
        table("messages", 20_000, matched_rows=10_000, different_rows=10_000),
        outcome=Outcome.DIFFERENCES,
        differences=tuple(difference(key={"id": n}, column=columns[n % 200], table="messages") for n in range(10_000)),
        difference_kinds=tuple(DifferenceTotal("messages", column, "changed_text", 50) for column in columns),
    )


def every_count_is_large() -> Report:
    """Twelve tables of 9 billion rows with long names, and something in each column."""
    counts = {
        "loaded_rows": 9_123_456_789,
        "present_rows": 1_234_567,
        "rejected_rows": 123_456_789,
        "unaccounted_rows": 12,
        "target_rows_before": 1_234_567,
        "target_rows_after": 9_124_691_356,
        "matched_rows": 9_000_000_000,
        "different_rows": 123_456,
        "missing_rows": 12,
        "extra_rows": 99,
    }
    names = [f"a_rather_long_table_name_of_an_application_{place}" for place in range(12)]
    return report(*(table(name, 9_248_148_157, **counts) for name in names), outcome=Outcome.DIFFERENCES)


def dry_run() -> Report:
    """Two of 100 rows would be rejected, validation skipped."""
    forecast = table("users", 100, loaded_rows=98, rejected_rows=2, target_rows_after=None)
    return report(uncompared(forecast), outcome=Outcome.DRY_RUN, validated=False)


def failed() -> Report:
    """Stopped by drift before the first row."""
    return report(
        outcome=Outcome.FAILED, error="The source has columns\n  users.theme (5 values)\nNothing was written."
    )


def unconfirmed() -> Report:
    """The connection broke during COMMIT, and nobody could be asked."""
    return report(
        table("users", 5), outcome=Outcome.UNCONFIRMED, error="The connection broke during COMMIT. Run again."
    )


def synced() -> Report:
    """`etl sync` of two tables: one row is left as it is, one was altered by a trigger."""
    nothing = dict.fromkeys(("loaded_rows", "present_rows", "present_different_rows"))
    changes = {"inserted_rows": 2, "updated_rows": 1, "kept_rows": 1, "overruled_rows": 1, "deleted_rows": 3}
    return report(
        replace(
            table("users", 9, **nothing, rejected_rows=1, target_rows_before=9, target_rows_after=8, **changes),
            matched_rows=4,
            different_rows=2,
        ),
        replace(table("orders", 5, **nothing, target_rows_before=5, **dict.fromkeys(changes, 0)), matched_rows=5),
    )


def compare_only(**changes: object) -> Report:
    """`etl.reconcile`: nothing was loaded; `changes` of its only table."""
    nothing = dict.fromkeys(
        ("loaded_rows", "present_rows", "present_different_rows", "rejected_rows", "unaccounted_rows")
    )
    compared = table("users", 5, **{**nothing, "target_rows_before": 5, **changes})
    return report(compared, outcome=Outcome.RECONCILED if compared.settled else Outcome.DIFFERENCES)
