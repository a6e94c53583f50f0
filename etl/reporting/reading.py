"""A report folder read back: the report itself, its rejected rows, its differences."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pandas as pd

from etl.core.drift import code_of_words
from etl.core.errors import UsageError
from etl.core.name_map import MatchedBy, NamePair
from etl.core.proposal import Choice, NotCarried
from etl.core.report import (
    REPORT_FILE,
    AlteredReport,
    DifferenceTotal,
    DriftReport,
    ExpectationReport,
    HelpfulRepair,
    Outcome,
    RejectGroup,
    RewrittenReport,
    SchemaReport,
    SequenceReport,
    SourceReport,
    Status,
    TableReport,
    TargetReport,
    Unvalidated,
)
from etl.core.row_examples import RowExample
from etl.files.private_files import file_name, stored_value
from etl.reporting.frames import differences_frame
from etl.reporting.masked_frame import MaskedFrame
from etl.reporting.report import Report
from etl.reporting.shown_frame import ShownFrame
from etl.reporting.values import key_text

REJECT_COLUMNS = ("reject_stage", "reject_code", "reject_column", "reject_reason", "reject_also")
MOST_DIFFERENCES = 100_000

_OVERVIEW = {
    "table": "str",
    "row_number": "int64",
    "rowid": "Int64",
    "key": "str",
    "stage": "str",
    "column": "str",
    "reason": "str",
    "code": "str",
    "also": "str",
    "repair": "str",
}

Item = TypeVar("Item")
Evident = TypeVar("Evident", RejectGroup, ExpectationReport)
Json = Mapping[str, Any]  # an object of a JSON file of ours


def open_report(folder: str | Path) -> Report:
    """Opens the report that a run has left in its folder.

    :param folder: the report folder, `reports/RUN_ID` or what was given as `--report`.
    :returns: the report; it displays itself in Jupyter, and `report.frames` has its lists as DataFrames.
    :raises UsageError: where there is no report that can be read.

    Example::

        etl.open_report("signoff").exit_code
    """
    path = Path(folder) / REPORT_FILE
    try:
        return replace(_report(orjson.loads(path.read_bytes())), folder=Path(folder))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is no report of this program ({error}).") from error


def _report(content: Json) -> Report:
    return Report(
        run_id=content["run_id"],
        started_at=datetime.fromisoformat(content["started_at"]),
        finished_at=datetime.fromisoformat(content["finished_at"]),
        outcome=Outcome(content["outcome"]),
        source=_of(SourceReport, content["source"]),
        target=_of(TargetReport, content["target"]),
        tables=tuple(replace(_of(TableReport, item), status=Status(item["status"])) for item in content["tables"]),
        sequences=tuple(_of(SequenceReport, item) for item in content["sequences"]),
        rejects=tuple(_with_examples(RejectGroup, item) for item in content["rejects"]),
        other_faults=tuple(_with_examples(RejectGroup, item) for item in content.get("other_faults", ())),
        drift=tuple(_drift(item) for item in content["drift"]),
        expectations=tuple(_with_examples(ExpectationReport, item) for item in content["expectations"]),
        differences=tuple(content["differences"]),
        difference_kinds=tuple(_of(DifferenceTotal, item) for item in content["difference_kinds"]),
        timings=content["timings"],
        validated=content["validated"],
        reconciled=content["reconciled"],
        error=content["error"],
        remarks=tuple(content.get("remarks", ())),  # reports of older versions have none
        rewritten=tuple(
            RewrittenReport(**{**item, "examples": tuple(map(tuple, item["examples"]))})
            for item in content.get("rewritten", ())
        ),
        names=tuple(
            replace(_of(NamePair, item), by=MatchedBy(item["by"])) for item in content.get("names", ())
        ),  # reports of older versions have none
        schema=_schema(content.get("schema")),
        allowed_repairs=tuple(content.get("allowed_repairs", ())),
        altered=tuple(_of(AlteredReport, item) for item in content.get("altered", ())),
        helpful=tuple(_of(HelpfulRepair, item) for item in content.get("helpful_repairs", ())),
    )


def _schema(content: Json | None) -> SchemaReport | None:
    if content is None:  # nothing was created, or an older version wrote it
        return None
    return SchemaReport(
        tables=tuple(content["tables"]),
        choices=tuple(_of(Choice, item) for item in content["choices"]),
        unvalidated=tuple(_of(Unvalidated, item) for item in content["unvalidated"]),
        not_carried=tuple(_of(NotCarried, item) for item in content["not_carried"]),
    )


def _with_examples(kind: type[Evident], item: Json) -> Evident:
    return _of(kind, {**item, "examples": tuple(_of(RowExample, row) for row in item.get("examples", ()))})


def _drift(item: Json) -> DriftReport:
    drift = _of(DriftReport, item)
    return drift if drift.code else replace(drift, code=code_of_words(drift.action))  # older versions write none


def _of(kind: type[Item], item: Json) -> Item:
    """A dataclass from its JSON object; what a later version may have added is passed over."""
    known = {entry.name for entry in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in item.items() if name in known})


def read_rejects(report: Report | str | Path, table: str | None = None) -> pd.DataFrame:
    """Reads the rows that a run rejected, or a dry run would reject.

    :param report: the report, or its folder.
    :param table: one table; None: an overview of all tables.
    :returns: without `table` the columns table, row_number (int64), rowid (Int64), key, stage, column, reason,
        code, also, repair (the options that would have let the row in). With it the rows of that table, indexed by row
        number (int64): reject_stage, reject_code, reject_column, reject_reason, reject_also, then the source's columns
        with the values as they stand there (dtype object), ready to be mended and given to `load_mended`. "also" is
        what is wrong with the row besides, one fault a line. It, codes and repairs are missing in the files of older
        versions. Values of secret columns are there, but not displayed. Where nothing was rejected the frame is empty.
    :raises UsageError: where there is no such report folder.

    Example::

        rows = etl.read_rejects(report, "users")
    """
    folder = folder_of(report) / "rejects"
    if table is None:
        every = (line for path in folder.glob("*.ndjson") for line in _lines(path))
        found = sorted(map(_overview, every), key=lambda row: row[:2])
        return ShownFrame(found, columns=list(_OVERVIEW), dtype=object).astype(_OVERVIEW)
    lines = sorted(_lines(folder / file_name(f"{table}.ndjson")), key=lambda line: int(line["row_number"]))
    index = pd.Index([line["row_number"] for line in lines], name="row_number", dtype="int64")
    columns = [*REJECT_COLUMNS, *(lines[0]["row"] if lines else ())]
    return MaskedFrame([_rejected(line) for line in lines], index=index, columns=columns, dtype=object)


def read_differences(report: Report | str | Path, table: str | None = None) -> pd.DataFrame:
    """Reads the differences that a comparison found, at most 100,000 of them; the files have all.

    :param report: the report, or its folder.
    :param table: one table; None: all.
    :returns: text columns table, key, column, kind, source, storage, target, as a person may see them: one line each,
        shortened, secrets hidden. The files have the whole values.
    :raises UsageError: where there is no such report folder.

    Example::

        etl.read_differences(report).query("kind == 'time_shifted'")
    """
    folder = folder_of(report) / "differences"
    paths = sorted(folder.glob("*.ndjson")) if table is None else [folder / file_name(f"{table}.ndjson")]
    lines = (line for path in paths for line in _lines(path))
    found = [line for line, _ in zip(lines, range(MOST_DIFFERENCES), strict=False)]
    return differences_frame(found)


def rejected_rows(report: Report | str | Path, table: str) -> dict[int, int | None]:
    """The rowid (None where the table has none) of each row of a table that a run rejected, by row number."""
    path = folder_of(report) / "rejects" / file_name(f"{table}.ndjson")
    return {line["row_number"]: line["rowid"] for line in _lines(path)}


def folder_of(report: Report | str | Path) -> Path:
    """The folder of a report; raises `UsageError` where there is none."""
    folder = report.folder if isinstance(report, Report) else Path(report)
    if folder is None or not folder.is_dir():
        raise UsageError(f"There is no report folder {folder}." if folder else "This report has no folder.")
    return folder


def _lines(path: Path) -> Iterator[Json]:
    if path.exists():
        with path.open("rb") as file:
            yield from map(orjson.loads, file)


def _overview(line: Json) -> tuple[Any, ...]:
    key = key_text(line["key"], rowid=line["rowid"])
    why = line["stage"], line["column"], line["reason"], line.get("code"), _also(line), line.get("repair")
    return line["table"], line["row_number"], line["rowid"], key, *why


def _rejected(line: Json) -> tuple[object, ...]:
    why = line["stage"], line.get("code"), line["column"], line["reason"], _also(line)
    return *why, *map(stored_value, line["row"].values())


def _also(line: Json) -> str | None:
    others = line.get("also") or ()
    return "\n".join(f"{item['column']}: {item['reason']}" for item in others) or None
