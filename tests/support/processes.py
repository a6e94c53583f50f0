"""Processes that a test has started."""

import os
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
