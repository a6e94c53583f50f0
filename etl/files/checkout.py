"""Git and the report folder: reports hold rows of the data, and nobody is to commit them by accident."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

IGNORE_FILE = ".gitignore"
_EVERYTHING = b"*\n"
_GIT_SECONDS = 10.0


def keep_out_of_git(folder: Path) -> None:
    """Leaves a `.gitignore` that names everything in the folder, unless there is one.

    :raises OSError: where the folder cannot be written.
    """
    with contextlib.suppress(FileExistsError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(folder / IGNORE_FILE, flags, 0o600), "wb") as file:
            file.write(_EVERYTHING)


def would_be_added(folder: Path) -> bool:
    """Whether `git add` would take what lies in the folder: it is in a checkout that does not ignore it.

    Where git cannot be asked, a checkout counts as one that does not.
    """
    place = folder.absolute()
    if not any((parent / ".git").exists() for parent in (place, *place.parents)):
        return False
    git = shutil.which("git")
    if git is None:
        return True
    # A report's own file is asked for, as a pattern may be about what is inside of the folder alone.
    command = [git, "-C", str(place), "check-ignore", "--quiet", "--no-index", "report.json"]
    try:
        return subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=False).returncode != 0
    except (OSError, subprocess.TimeoutExpired):
        return True
