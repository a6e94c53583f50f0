"""The console on a real terminal: bars for long tables, and lines that the bars leave whole."""

import os
import pty
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support import report_examples as examples

from etl.console.compare import ReconcileConsole
from etl.console.load import ConsoleObserver
from etl.core.report import DifferenceTotal
from etl.reporting.report import Report
from etl.reporting.verdict import Tone, verdict_of

SCRIPT = """
import time
from types import SimpleNamespace
from etl.console.load import ConsoleObserver
from etl.core.report import Status, TableReport
from etl.runs.observer import Stage

plan = SimpleNamespace(name="conversation_messages", source=SimpleNamespace(row_count=100_000))
short = dict(loaded_rows=5, present_rows=0, rejected_rows=0, unaccounted_rows=0, source_rows=5)
with ConsoleObserver(dry_run=False, quiet=False, verbose=False, json_only=False, no_color=True) as console:
    console.stage_begun(Stage.LOAD)
    console.table_restarted(plan)
    for rows in (25_000, 50_000):
        console.table_progressed(plan, rows)
        time.sleep(0.2)
    console.table_finished(TableReport("users", Status.MIGRATED, **short))
    time.sleep(0.2)
"""
BAR = "━"
ERASE_LINE = "\x1b[2K"


def on_a_terminal(script: str) -> str:
    """What a script writes to a terminal, as it goes over the wire."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", script], stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # Linux's way of saying that nobody has the other end open any more
                break
            if not part:
                break
            written += part
    os.close(ours)
    return written.decode()


def test_a_bar_shows_speed_and_gives_way_to_lines() -> None:
    written = on_a_terminal(SCRIPT)
    assert "Loading conversation_messages" in written
    assert "50,000/100,000 rows" in written
    assert "rows/s" in written
    before, _, after = written.partition("  ✓ users: 5 rows migrated")
    assert after
    assert ERASE_LINE in before[before.rindex(BAR) :]


def closing_words(report: Report, *, quiet: bool, capsys: pytest.CaptureFixture[str]) -> str:
    """What the report's own command prints at the end."""
    how = {"quiet": quiet, "verbose": False, "json_only": False, "no_color": True}
    if report.compares_only:
        ReconcileConsole(**how).finished(report)
    else:
        ConsoleObserver(dry_run=report.outcome == "dry-run", **how).finished(report)
    return capsys.readouterr().out


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize(
    ("report", "first"),
    [
        (examples.clean(), "✓ Migration completed successfully!"),
        (examples.bad(), "✗ Migration completed with findings"),
        (examples.report(examples.uncompared(examples.table())), "! Migration completed."),
        (examples.report(examples.table(extra_rows=2)), "✗ Migration completed with findings"),
        (examples.report(examples.table(target_rows_after=4)), "✗ Migration completed with findings"),
        (examples.dry_run(), "! Dry run: 2 of 100 rows would not arrive."),
        (examples.compare_only(), "✓ Reconciled: All 5 rows of 1 table match the source, value by value."),
    ],
)
def test_the_last_words_are_those_of_the_report(
    report: Report, first: str, quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The console, the page and the Markdown have one verdict."""
    printed = closing_words(report, quiet=quiet, capsys=capsys)
    verdict = verdict_of(report)
    assert f"\n{first}" in printed
    assert f"\n{verdict.tone.symbol} {verdict.sentence}" in printed
    for note in verdict.notes:
        assert (note.text in printed) == (note.tone is not Tone.GOOD)


def test_rows_that_only_the_target_has_are_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    printed = closing_words(examples.report(examples.table(extra_rows=2)), quiet=True, capsys=capsys)
    assert "The target has 2 rows that the source has not." in printed
    assert "do not add up" not in printed


def test_shifts_that_read_the_same_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = tuple(DifferenceTotal("t", "c", "time_shifted", 2, shift_seconds=-32_400 - part) for part in range(5))
    report = replace(examples.compare_only(matched_rows=0, different_rows=5), difference_kinds=kinds)
    (line,) = [line for line in closing_words(report, quiet=False, capsys=capsys).splitlines() if "shifted" in line]
    assert line.split() == ["10", "t.c", "time", "shifted:", "−9", "h"]
