"""What a database file is, to the bit: the SHA-256 of it and of its write-ahead log, computed beside the run."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etl.source.file import beside, stamps

_PART_BYTES = 2**20


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256 in hexadecimal; `wal` is None where there is no write-ahead log, or an empty one."""

    file: str
    wal: str | None


def fingerprint(path: Path, *, stopped: Callable[[], bool]) -> Fingerprint | None:
    """The fingerprint of a database file.

    :param path: the file.
    :param stopped: asked again and again whether nobody wants it any more.
    :returns: None where there is none to be had: it was stopped, the file was written to meanwhile, or taken away. A
        run does not fail for it.
    """
    wal = beside(path, "-wal")
    try:
        before = stamps(path)
        parts = {part: _sha256(part, stopped) for part in (path, wal) if part in before}
        unchanged = stamps(path) == before
    except OSError:
        return None
    file = parts.get(path)
    return Fingerprint(file, parts.get(wal)) if file is not None and None not in parts.values() and unchanged else None


def _sha256(path: Path, stopped: Callable[[], bool]) -> str | None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            if stopped():
                return None
            digest.update(part)
    return digest.hexdigest()
