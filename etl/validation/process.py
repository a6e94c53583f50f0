"""The life of the validation process. Nothing heavy is imported here, so that starting it can be a run's first act."""

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, cast

_URLS = ("DATABASE_URL", "ETL_WORKER_URL")


class ValidationProcess:
    """A running `etl.validation.worker.main`, which imports Great Expectations at once. `close` ends it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # -P: a file random.py in the current folder is none of its modules.
            [sys.executable, "-P", "-c", "from etl.validation.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        self.requests = cast(BinaryIO, self._process.stdin)
        self.answers = cast(BinaryIO, self._process.stdout)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def wait(self) -> int:
        """Its exit status, when it has ended."""
        return self._process.wait()

    def kill(self) -> None:
        """End the process, whatever it is doing; a question that waits fails."""
        self._process.kill()  # it holds nothing that could be lost
        self._process.wait()

    def close(self) -> None:
        """Kill it, and let go of its pipes: nobody may be waiting for an answer any more."""
        self.kill()
        _close(self.requests)
        _close(self.answers)


def _close(pipe: BinaryIO) -> None:
    try:
        pipe.close()
    except OSError:
        return  # half a request was still to be written; nobody is there to read it


def _environment() -> dict[str, str]:
    """Ours without what leads to a database: the process needs none, and so no password."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PG") and name not in _URLS}
    return {**kept, "PYTHONPATH": _import_path()}


def _import_path() -> str:
    here = str(Path(__file__).parent.parent.parent)
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
