"""The folder of a run's report: private, known to be writable before the load, never mixed with an older run."""

import os
import re
import secrets
import shutil
from pathlib import Path

import orjson

from etl.core.errors import CannotRun, UsageError
from etl.core.fleet_report import FILES, FLEET_FILE, PAGE_FILE
from etl.core.report import PARTS_FILE, REPORT_FILE
from etl.core.undo_record import LEFT, OVERWRITTEN, UNDO_FILE, UNDONE_FILE
from etl.files.private_files import PrivateFolder

PREVIOUS = "previous"
PROBE_BYTES = 2**16  # about what the pages of a small report need
_RUN_ID = re.compile(r"\w[\w-]{0,99}")
_OF_MANY = (PARTS_FILE, FLEET_FILE, PAGE_FILE, FILES)
_OURS = (
    REPORT_FILE,
    "report.html",
    "report.md",
    "rejects",
    "warnings",
    "dropped",
    "altered",
    "mended",
    "differences",
    "schema",
    UNDO_FILE,
    UNDONE_FILE,
    OVERWRITTEN,
    LEFT,
    "found",
    "kept",
    *_OF_MANY,
)


def prepare_folder(folder: Path) -> Path:
    """Makes the folder (0700), or moves what an older run left in it to `previous/RUN_ID`.

    Raises `UsageError` where `folder` is something else, `CannotRun` where it cannot be written.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"--report {folder} is not a folder (or is a symbolic link, which is not followed).")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _set_previous_aside(folder)
        _write_probe(folder)
    except OSError as error:
        raise CannotRun(
            f"The report folder {folder} cannot be written: {os.strerror(error.errno or 0)}. "
            "Nothing was committed. Name another folder with --report DIR."
        ) from error
    return folder


def _write_probe(folder: Path) -> None:
    name = f"probe-{secrets.token_hex(8)}"  # no file of the user's
    try:
        with PrivateFolder(folder).create(name) as probe:
            probe.write(bytes(PROBE_BYTES))
    finally:
        (folder / name).unlink(missing_ok=True)


def _set_previous_aside(folder: Path) -> None:
    left = [folder / name for name in _OURS if (folder / name).exists()]
    if not left:
        return
    if (folder / PREVIOUS).is_symlink():
        raise UsageError(f"{folder / PREVIOUS} is a symbolic link, which is not followed; remove it.")
    aside = folder / PREVIOUS / _previous_name(folder)
    aside.parent.mkdir(mode=0o700, exist_ok=True)  # by itself: `parents=True` would give it the default mode
    aside.mkdir(mode=0o700)
    for item in left:
        shutil.move(item, aside / item.name)


def _previous_name(folder: Path) -> str:
    """The older run's id; a folder without a readable report belongs to a run that did not come to its end."""
    try:
        run_id = str(orjson.loads((folder / REPORT_FILE).read_bytes())["run_id"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        run_id = "unfinished"
    taken = {path.name for path in (folder / PREVIOUS).glob("*")}
    name = run_id = run_id if _RUN_ID.fullmatch(run_id) else "unfinished"
    count = 1
    while name in taken:
        count += 1
        name = f"{run_id}-{count}"
    return name
