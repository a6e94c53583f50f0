"""The folder of a run's report: private, known to be writable before the load, never mixed with an older run."""

import os
import shutil
from pathlib import Path

import orjson

from etl.errors import CannotRun, UsageError
from etl.report import REPORT_FILE

PREVIOUS = "previous"
PROBE_BYTES = 2**16  # about what the pages of a small report need
_OURS = (REPORT_FILE, "report.html", "report.md", "rejects", "dropped", "differences")


def prepare_folder(folder: Path) -> Path:
    """Makes the folder (0700), or moves what an older run left in it to `previous/RUN_ID`.

    Raises `UsageError` where `folder` is something else, `CannotRun` where it cannot be written.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"--report {folder} is not a folder (or is a symbolic link, which is not followed).")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _set_previous_aside(folder)
        probe = folder / ".writable"
        try:
            probe.touch(mode=0o600)
            probe.write_bytes(bytes(PROBE_BYTES))
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise CannotRun(
            f"The report folder {folder} cannot be written: {os.strerror(error.errno or 0)}. "
            "Nothing was committed. Name another folder with --report DIR."
        ) from error
    return folder


def _set_previous_aside(folder: Path) -> None:
    left = [folder / name for name in _OURS if (folder / name).exists()]
    if not left:
        return
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
    name = run_id = Path(run_id).name or "unfinished"
    count = 1
    while name in taken:
        count += 1
        name = f"{run_id}-{count}"
    return name
