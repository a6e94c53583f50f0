"""Processes that a test starts, or has started."""

import os
import subprocess
import sys
from pathlib import Path

import psutil


def processes_in(folder: Path) -> list[psutil.Process]:
    """Everything alive that works inside of `folder` or names it in its command line, with the facts it had then.

    A backend may end at any moment: what a test wants to know is in `info`, and never asked for later.
    """
    facts = ("cmdline", "cwd", "environ", "status", "uids")
    return [
        process
        for process in psutil.process_iter(facts)
        if process.pid != os.getpid()
        and process.info["status"] != psutil.STATUS_ZOMBIE
        and any(str(folder) in text for text in (process.info["cwd"] or "", *(process.info["cmdline"] or ())))
    ]


def run_module(module: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE ARGUMENTS` in a folder, as a shell would run it, with no target named by the environment."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "NO_COLOR")}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
