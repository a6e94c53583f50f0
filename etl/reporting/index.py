"""`index.html` of the folder that holds the reports of many runs: one line a run, the latest first."""

import os
import secrets
from pathlib import Path

from etl.core.errors import CannotRun, UsageError
from etl.core.report import REPORT_FILE
from etl.files.private_files import PrivateFolder
from etl.reporting.html import render_index
from etl.reporting.reading import open_report
from etl.reporting.run_lines import Run

INDEX_FILE = "index.html"
SHOWN_RUNS = 100


def write_index(folder: Path) -> Path:
    """Writes the index of the latest runs in `folder`, which stand there in folders named by their ids.

    Two runs that end together leave one whole index, never a mixed one.

    :raises CannotRun: where the folder cannot be written.
    """
    names = sorted((path.parent.name for path in folder.glob(f"*/{REPORT_FILE}")), reverse=True)
    page = render_index([_run(folder / name) for name in names[:SHOWN_RUNS]], more=max(0, len(names) - SHOWN_RUNS))
    private, half = PrivateFolder(folder), f"index-{secrets.token_hex(8)}.html"
    try:
        with private.create(half) as file:
            file.write(page.encode())
        os.replace(folder / half, folder / INDEX_FILE)  # noqa: PTH105 - a link of that name is replaced, not followed
    except OSError as error:
        raise CannotRun(f"The index of {folder} cannot be written: {error.strerror}.") from error
    return folder / INDEX_FILE


def _run(folder: Path) -> Run:
    try:
        return Run(folder.name, open_report(folder))
    except UsageError as error:
        return Run(folder.name, None, str(error))
