"""The report over a fleet of files as data: what `fleet.json` holds. It knows no renderer."""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import orjson

from etl.core.redaction import with_controls_escaped
from etl.core.text import counted

FLEET_FILE = "fleet.json"
PAGE_FILE = "fleet.html"
FILES = "fleet"  # the folder of the files' own reports


class FileStatus(StrEnum):
    """What became of a file."""

    LOADED = "loaded"
    UNCHANGED = "unchanged"  # it is there already, in this state
    FAILED = "failed"
    FORECAST = "forecast"
    NOT_BEGUN = "not begun"


@dataclass(frozen=True)
class FileReport:
    """One file of a fleet. `place` is where in the target it is; `folder` its own report's, below the fleet's."""

    path: str
    place: str
    status: FileStatus
    exit_code: int
    source_rows: int = 0
    loaded_rows: int = 0
    present_rows: int = 0
    rejected_rows: int = 0
    seconds: float = 0.0
    folder: str | None = None
    error: str | None = None

    @property
    def settled(self) -> bool:
        """Whether every row of it is in the target."""
        return self.exit_code == 0


@dataclass(frozen=True)
class FleetReportData:
    """What a run over many files has to say for itself."""

    run_id: str
    started_at: datetime
    finished_at: datetime
    target: str
    per_file: str
    files: tuple[FileReport, ...]
    folder: Path

    @property
    def exit_code(self) -> int:
        """0 where every file is there, 1 where none is and nothing was committed, 3 for anything between."""
        codes = {file.exit_code for file in self.files}
        return codes.pop() if len(codes) == 1 else 3

    @property
    def counts(self) -> Counter[FileStatus]:
        """How many files became what."""
        return Counter(file.status for file in self.files)

    @property
    def title(self) -> str:
        """The outcome in one line."""
        words = ", ".join(f"{count:,} {status}" for status, count in self.counts.items())
        findings = sum(file.exit_code == 3 for file in self.files)
        more = f"; {counted(findings, 'file')} with findings" if findings else ""
        return f"{counted(len(self.files), 'file')}: {words}{more}"

    def to_dict(self) -> dict[str, object]:
        """The object of `fleet.json`."""
        return {
            "run_id": self.run_id,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "target": self.target,
            "per_file": self.per_file,
            "exit_code": self.exit_code,
            "files": [asdict(file) for file in self.files],
        }

    def to_json(self) -> bytes:
        """`to_dict` as indented JSON, UTF-8."""
        return with_controls_escaped(
            orjson.dumps(self.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        )
