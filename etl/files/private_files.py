"""Files that only their owner can read (0600, folders 0700), never written through a symbolic link; rows as NDJSON."""

import base64
import contextlib
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import orjson

from etl.core.errors import CannotRun
from etl.core.values import LARGE_BYTES, LargeText, StorageValue, UndecodableText

_SLICE = 3 * 2**20  # characters or bytes written at once; a multiple of 3, so that base64 can be cut there


class PrivateFolder:
    """A folder of the report that only its owner can read; the one way in which the product writes row values."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, name: str) -> BinaryIO:
        """A new file of that name, mode 0600; what was there before is replaced, not followed."""
        try:
            return self.create(name)
        except OSError as error:
            raise CannotRun(f"The report folder {self.path} cannot be written: {error.strerror}.") from error

    def create(self, name: str) -> BinaryIO:
        """The same, but what the operating system refuses stays an OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # From here on the folder is the one that was opened, whatever its name may be made to lead to.
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file_name(name), dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            return os.fdopen(os.open(file_name(name), flags, 0o600, dir_fd=folder), "wb")
        finally:
            os.close(folder)


def file_name(name: str) -> str:
    """`name` as a file name: no separators, no leading dot, nothing that a terminal obeys or that turns writing around.

    `%` is escaped too, so that two names never meet.
    """
    safe = "".join(c if c.isprintable() and c not in "%/" else quote(c, safe="") for c in name)
    return "%2E" + safe[1:] if safe.startswith(".") else safe


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Inside, what the operating system refuses in `folder` becomes `CannotRun` with a remedy."""
    try:
        yield
    except OSError as error:
        raise CannotRun(
            f"The report folder {folder} cannot be written: {error.strerror or error}. Nothing was committed. "
            "Make room there, or name another folder with --report DIR, then run again."
        ) from error


class TableFile:
    """A private file of one table that comes into being with its first row, and is gone where it holds none."""

    def __init__(self, folder: PrivateFolder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._file: BinaryIO | None = None
        self.rows = 0

    def restart(self) -> None:
        """Forgets what was written: the table is read again from its first row."""
        if self._file is not None:
            with writable(self._folder.path):
                self._file.seek(0)
                self._file.truncate()
        self.rows = 0

    def close(self) -> None:
        """Closes the file; one that holds nothing is removed."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with writable(self._folder.path):
            file.close()
            if not self.rows:
                (self._folder.path / file_name(self._name)).unlink()

    def _append(self, parts: Iterable[bytes]) -> None:
        """Writes one row."""
        with writable(self._folder.path):
            if self._file is None:
                self._file = self._folder.create(self._name)
            self._file.writelines(parts)
        self.rows += 1


class RowFile(TableFile):
    """One NDJSON file."""

    def __init__(self, folder: PrivateFolder, table: str) -> None:
        super().__init__(folder, f"{table}.ndjson")

    def write(self, line: Mapping[str, object]) -> None:
        """Appends one object."""
        if _is_large(line):
            self._append(itertools.chain(_written(line), [b"\n"]))
        else:
            self._append([orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)])

    def write_json(self, text: bytes) -> None:
        """Appends an object that is JSON already, in one line."""
        self._append([text, b"\n"])

    def keep(self, wanted: Callable[[bytes], bool]) -> None:
        """Leaves only the lines that are `wanted`."""
        if self._file is None:
            return
        with writable(self._folder.path):
            self._file.close()
            with (self._folder.path / file_name(self._name)).open("rb") as former:
                self._file = self._folder.create(self._name)  # a new one: the former lives on until it is read
                self.rows = 0
                for line in filter(wanted, former):
                    self._file.write(line)
                    self.rows += 1


def _written(value: object) -> Iterator[bytes]:
    """A JSON value in parts, so that a large text or BLOB in it is never there a second time."""
    if isinstance(value, Mapping):
        yield b"{"
        for place, (name, part) in enumerate(value.items()):
            yield (b"," if place else b"") + orjson.dumps(name) + b":"
            yield from _written(part)
        yield b"}"
    elif isinstance(value, str):
        yield b'"'
        for start in range(0, len(value), _SLICE):
            yield orjson.dumps(value[start : start + _SLICE])[1:-1]
        yield b'"'
    elif isinstance(value, LargeText):
        yield b'"'
        for part in value.parts():
            yield orjson.dumps(part)[1:-1]
        yield b'"'
    elif isinstance(value, bytes):
        yield b'{"base64":"'
        for start in range(0, len(value), _SLICE):
            yield base64.b64encode(value[start : start + _SLICE])
        yield b'","text":true}' if isinstance(value, UndecodableText) else b'"}'
    else:
        yield orjson.dumps(value)


def _is_large(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_is_large, value.values()))
    return isinstance(value, LargeText) or (isinstance(value, str | bytes) and len(value) > LARGE_BYTES)


def jsonable(value: StorageValue) -> object:
    """A SQLite value for JSON; bytes, undecodable text and infinities, which JSON lacks, as small objects.

    Large values stay as they are: the file writes them in parts.
    """
    if _is_large(value):
        return value
    if isinstance(value, UndecodableText):
        return {"base64": base64.b64encode(value).decode(), "text": True}
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"real": str(value)}
    return value


def stored_value(value: object) -> StorageValue:
    """A value as SQLite stored it, from its JSON form in a reject file."""
    if isinstance(value, Mapping):
        if "real" in value:
            return float(value["real"])
        raw = base64.b64decode(value["base64"])
        return UndecodableText(raw) if value.get("text") else raw
    return value  # type: ignore[return-value]
