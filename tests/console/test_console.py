"""The console on a real terminal: bars for long tables, and lines that the bars leave whole."""

import os
import pty
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import time
from types import SimpleNamespace
from etl.console.load import ConsoleObserver
from etl.core.report import Status, TableReport

plan = SimpleNamespace(name="conversation_messages", source=SimpleNamespace(row_count=100_000))
short = dict(loaded_rows=5, present_rows=0, rejected_rows=0, unaccounted_rows=0, source_rows=5)
with ConsoleObserver(dry_run=False, quiet=False, verbose=False, json_only=False, no_color=True) as console:
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
    assert "50000/100000" in written
    assert "rows/s" in written
    before, _, after = written.partition("  ✓ users: 5 rows migrated")
    assert after
    assert ERASE_LINE in before[before.rindex(BAR) :]
