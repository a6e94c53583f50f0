"""Runs one command from start to exit and measures it: wall time, CPU time, and in a run of its own its memory."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

SAMPLE_SECONDS = 0.05
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    """One run of a command. `cpu_seconds` are its own and its waited-for children's, `messages` its last lines.

    The server is nobody's child here; what it used in the same time is for the caller to fill in.
    """

    seconds: float
    cpu_seconds: float
    exit_code: int
    messages: str
    peak_bytes: int | None = None
    server_cpu_seconds: float = 0.0


def run(command: Sequence[str], *, watch_memory: bool = False) -> Run:
    """Run a command in the repository's folder, without the user's own PostgreSQL variables.

    Python keeps its bytecode, as it does unless told otherwise: else each run would compile all of ours once more.
    `watch_memory` sums the memory of its whole process tree every 50 ms. That takes CPU time away from the command (the
    kernel walks its page tables), so such a run's seconds do not count.
    """
    unwanted = ("PG", "DATABASE_URL", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        watcher = _MemoryWatcher(process.pid) if watch_memory else None
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        return Run(
            seconds,
            usage.ru_utime + usage.ru_stime,
            process.returncode,
            _last_lines(output),
            watcher.stop() if watcher else None,
        )


def _last_lines(output: IO[bytes], count: int = 8) -> str:
    output.seek(0)
    return "\n".join(output.read().decode(errors="replace").strip().splitlines()[-count:])


class _MemoryWatcher:
    """Watches a process tree from a thread, until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """The most bytes that were seen at once."""
        self._over.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while True:
            self._peak = max(self._peak, tree_bytes(self._pid))
            if self._over.wait(SAMPLE_SECONDS):
                return


def tree_bytes(pid: int) -> int:
    """The memory of a process and all its descendants; pages that several share count once (PSS), where Linux tells."""
    try:
        root = psutil.Process(pid)
        return sum(map(_process_bytes, [root, *root.children(recursive=True)]))
    except psutil.NoSuchProcess:
        return 0


def _process_bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
    return int(getattr(memory, "pss", memory.rss))
