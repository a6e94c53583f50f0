"""The report of an undo in words: what the console prints, `report.md`, and the display in a notebook."""

from collections.abc import Iterator
from pathlib import Path

from etl.core.errors import CannotRun
from etl.core.report import MARKDOWN_FILE, REPORT_FILE
from etl.core.text import counted, name, readable
from etl.core.undo_record import LEFT
from etl.core.undo_report import LeftRows, TableUndone, ThingUndone, UndoOutcome, UndoReportData
from etl.files.private_files import PrivateFolder
from etl.reporting.markdown import escaped


class UndoReport(UndoReportData):
    """What an undo has to say for itself; displays itself in Jupyter."""

    def _repr_markdown_(self) -> str:
        return render_undo(self)


def title_of(report: UndoReportData) -> str:
    """The outcome in one sentence."""
    run = f"{report.kind} {report.undone_run}"
    rows = counted(report.total("taken_back"), "row")
    left = sum(item.rows for item in report.left)
    what_is_left = f"{counted(left, 'row')} left" if left else "something that it created is left"
    what_is_left = "nothing left" if report.complete else what_is_left
    match report.outcome:
        case UndoOutcome.UNDONE:
            return f"The {run} is undone: {rows} taken back, {what_is_left}"
        case UndoOutcome.PARTLY:
            return f"The {run} is undone in part: {rows} taken back, {what_is_left}"
        case UndoOutcome.DRY_RUN:
            return f"The {run} would be undone: {rows} taken back, {what_is_left}"
        case UndoOutcome.UNCONFIRMED:
            return f"Whether the {run} is undone is not known"
        case UndoOutcome.FAILED:
            return f"The {run} is not undone; nothing was changed"


def table_line(table: TableUndone, left: int, *, dry_run: bool = False) -> str:
    """What became of one table, or would in a dry run, such as `5 rows deleted, 2 left`."""
    if table.target is None:
        return "dropped since the run, so nothing of it is left"
    would = "would be " if dry_run else ""
    counts = (
        (table.removed, f"{would}deleted"),
        (table.restored, f"{would}given their old values again"),
        (table.put_back, f"{would}put back"),
    )
    parts = [f"{counted(count, 'row')} {what}" for count, what in counts if count]
    parts += [f"{counted(table.gone, 'row')} changed or deleted since the run"] if table.gone else []
    parts += [f"{left:,} left"] if left else []
    return ", ".join(parts) or "nothing to take back"


def left_line(rows: LeftRows) -> str:
    """Why rows were left, and which, such as `2 rows left: rows that the run … refer to them (public.b): id = 7`."""
    detail = f" ({rows.detail})" if rows.detail else ""
    keys = "; ".join(rows.keys)
    more = ", …" if rows.rows > len(rows.keys) and rows.keys else ""
    return f"{counted(rows.rows, 'row')} left, {rows.reason.words}{detail}" + (f": {keys}{more}" if keys else "")


def thing_line(thing: ThingUndone) -> str:
    """`sequence public.users_id_seq: the next number is 1 again`."""
    return f"{thing.kind} {thing.name}: {thing.done}"


def left_of(report: UndoReportData, table: TableUndone) -> int:
    """Rows of the table that were left."""
    return sum(rows.rows for rows in report.left if rows.table == table.name)


def render_undo(report: UndoReportData) -> str:
    """The report as Markdown."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: UndoReportData) -> Iterator[str]:
    yield f"## {'✅' if not report.exit_code else '⚠️'} {escaped(title_of(report))}"
    yield ""
    if report.error:
        yield f"- {escaped(report.error)}"
    yield f"- exit code {report.exit_code}, {report.seconds:.1f} s"
    yield f"- target: {escaped(report.target.name)}"
    yield f"- report of the run: {escaped(report.undone_folder)}"
    yield from (f"- {escaped(remark)}" for remark in report.remarks)
    yield ""
    if report.tables:
        yield "| table | inserted | updated | deleted | taken back | left | |"
        yield "|---|--:|--:|--:|--:|--:|---|"
    for table in report.tables:
        left = left_of(report, table)
        counts = (table.inserted, table.updated, table.deleted, table.taken_back, left)
        numbers = " | ".join(f"{count:,}" for count in counts)
        said = escaped(table_line(table, left, dry_run=report.dry_run))
        yield f"| {escaped(name(table.name))} | {numbers} | {said} |"
    yield ""
    if report.left and report.folder:
        yield f"Every row that was left is in {escaped(report.folder / LEFT)}:"
        yield ""
    yield from (f"- {escaped(name(rows.table))}: {escaped(readable(left_line(rows)))}" for rows in report.left)
    yield from (f"- {escaped(thing_line(thing))}" for thing in (*report.created, *report.sequences))


def write_undo_report(report: UndoReportData, folder: Path) -> None:
    """Writes `report.json` and `report.md`; raises `CannotRun` where the folder cannot be written."""
    private = PrivateFolder(folder)
    try:
        for file_name, content in ((REPORT_FILE, report.to_json()), (MARKDOWN_FILE, render_undo(report).encode())):
            with private.open(file_name) as file:
                file.write(content)
    except OSError as error:
        raise CannotRun(f"The report folder {folder} cannot be written: {error.strerror}.") from error
