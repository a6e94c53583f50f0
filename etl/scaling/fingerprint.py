"""What a worker and the coordinator have to have in common: the file, the package, Python."""

import hashlib
import platform
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from etl.core.errors import CannotRun, SourceError
from etl.core.version import __version__

BLOCK_BYTES = 2**16
BLOCKS = 1_024  # 64 MB: a smaller file is read whole, of a larger one as much, spread over it


@dataclass(frozen=True)
class Facts:
    """What has to be the same on both sides. `code` is a checksum of the package's modules."""

    python: str
    package: str
    code: str
    file: str

    def differences(self, other: "Facts") -> list[str]:
        """What is not the same, in words."""
        words = {"python": "Python", "package": "version of the package", "code": "code of the package"}
        return [
            f"{words.get(field.name, 'content of the file')} ({getattr(other, field.name)}, here "
            f"{getattr(self, field.name)})"
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        ]


def facts_about(path: Path | None) -> Facts:
    """The facts of this process, and of the file if there is one; raises `SourceError` where it is not to be seen."""
    python = ".".join(platform.python_version_tuple()[:2])
    return Facts(python, __version__, _code(), checksum(path) if path else "")


def require_same(ours: Facts, theirs: Facts, worker: str) -> None:
    """Raises `CannotRun` where a worker is not like the coordinator."""
    if differences := ours.differences(theirs):
        raise CannotRun(
            f"The worker {worker} differs in the {'; the '.join(differences)}. All workers need the same package, "
            "Python and file. Nothing was committed."
        )


def checksum(path: Path) -> str:
    """A checksum of the file: its size, and 64 MB of its content from the first page to the last, or all of it."""
    try:
        size = path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        step = max(BLOCK_BYTES, size // BLOCKS)
        with path.open("rb") as file:
            for place in range(0, size, step):
                file.seek(place)
                digest.update(file.read(BLOCK_BYTES))
            file.seek(max(0, size - BLOCK_BYTES))
            digest.update(file.read(BLOCK_BYTES))
    except OSError as error:
        raise SourceError(
            f"{platform.node()} cannot read {path}: {error.strerror}. Every worker has to see the file under the same "
            "path: put it on a file system that all of them share."
        ) from error
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class State:
    """What changes when somebody writes to a SQLite file: its size, time of change, and SQLite's change counter."""

    size: int
    changed: int
    counter: bytes

    @classmethod
    def of(cls, path: Path) -> "State":
        """The file's state now; raises `SourceError` where it cannot be read."""
        try:
            stat = path.stat()
            with path.open("rb") as file:
                file.seek(24)
                return cls(stat.st_size, stat.st_mtime_ns, file.read(4))
        except OSError as error:
            raise SourceError(f"{path} cannot be read on {platform.node()}: {error.strerror}.") from error


@cache
def _code() -> str:
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]
