"""The reject files: every row is in them, whoever writes it."""

import json
import sys
import threading
from pathlib import Path

from etl.core.rejects import Fault, RejectedRow, RejectRule, RejectStage
from etl.files.reject_files import TableRejects

FAULT = Fault(RejectStage.LOAD, RejectRule.NULL_IN_REQUIRED, "a", "r")
ROWS = 50
TABLES = 30


def test_two_threads_reject_rows_of_one_table_at_once(tmp_path: Path) -> None:
    """The thread that reads finds values that cannot be converted, the one that loads misses values: no row is lost."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(TABLES):
            with TableRejects(tmp_path, "run", f"t{number}") as rejects:
                _write_from_two_threads(rejects)
            lines = (tmp_path / "rejects" / f"t{number}.ndjson").read_bytes().splitlines()
            assert sorted(json.loads(line)["row_number"] for line in lines) == list(range(1, 2 * ROWS + 1))
            assert rejects.rejected_rows == sum(rejects.faults.values()) == 2 * ROWS
    finally:
        sys.setswitchinterval(before)


def _write_from_two_threads(rejects: TableRejects) -> None:
    start = threading.Barrier(2)

    def write(numbers: range) -> None:
        start.wait()
        for row in numbers:
            rejects.reject(RejectedRow(row, row, ("a",), FAULT, "r", {"a": row}))

    threads = [threading.Thread(target=write, args=(range(first, 2 * ROWS + 1, 2),)) for first in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
