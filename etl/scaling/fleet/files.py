"""Which files a fleet has, and what each of them is called in the target."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.core.errors import UsageError
from etl.core.proposal import NameStyle
from etl.core.target_names import NAME_BYTES
from etl.derivation.names import styled
from etl.source.file import SQLITE_MAGIC

_BESIDE = ("-wal", "-shm", "-journal")
_COLUMN = "column:"


@dataclass(frozen=True)
class PerFile:
    """What each file becomes: a schema named after it, or a value in `column`."""

    column: str = ""

    @classmethod
    def read(cls, text: str) -> "PerFile":
        """From `schema` or `column:NAME`; raises `UsageError` for another text."""
        if text == "schema":
            return cls()
        name = text.removeprefix(_COLUMN)
        if name == text or not name:
            raise UsageError(f"--per-file: {text!r} is neither schema nor column:NAME.")
        return cls(name)

    def place(self, name: str) -> str:
        """Where in the target the rows of the file of this name are, in words."""
        return f"{self.column} = {name}" if self.column else f"schema {name}"


@dataclass(frozen=True)
class FleetFile:
    """One file. `name` is its schema, or its value in the column."""

    path: Path
    name: str


def find_files(sources: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files behind a glob such as `tenants/*.db`, a text file with one path a line, or a list of paths.

    Raises `UsageError` where there are none.
    """
    if not isinstance(sources, str | Path):
        paths = [Path(source) for source in sources]
    elif Path(sources).is_file():
        paths = [Path(sources)] if _is_database(Path(sources)) else _listed(Path(sources))
    else:
        found = sorted(glob.glob(str(sources), recursive=True))  # noqa: PTH207 - a pattern may be absolute
        paths = [path for path in map(Path, found) if path.is_file() and not path.name.endswith(_BESIDE)]
    if not paths:
        raise UsageError(
            f"No file is meant by {str(sources)!r}: name a glob such as 'tenants/*.db', or a file of paths."
        )
    return list(dict.fromkeys(paths))


def named(paths: Sequence[Path], per_file: PerFile, style: NameStyle) -> list[FleetFile]:
    """The files with their names; raises `UsageError` where two have the same, or a schema's name is too long."""
    files = [FleetFile(path, path.stem if per_file.column else styled(path.stem, style)) for path in paths]
    by_name: dict[str, Path] = {}
    for file in files:
        other = by_name.setdefault(file.name, file.path)
        if other != file.path:
            raise UsageError(
                f"--per-file: {other} and {file.path} would both be {per_file.place(file.name)!r}. Rename one of them."
            )
        if not per_file.column and len(file.name.encode()) > NAME_BYTES:
            raise UsageError(
                f"--per-file: {file.path}: PostgreSQL cuts names of more than {NAME_BYTES} bytes. Rename it."
            )
    return files


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def _listed(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is neither a SQLite database nor a text file with one path a line.") from error
    return [Path(line.strip()) for line in lines if line.strip()]
