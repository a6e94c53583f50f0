"""What a run is asked to do: one field for each decision, with the option that says it.

The commands' options are made from these fields, the public functions take the same names with the same defaults, and
a test holds the three together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from etl.core import defaults
from etl.core.name_map import NameMap
from etl.core.plan import ExtraColumns
from etl.core.proposal import NameStyle, TypeChoice, VirtualTables
from etl.core.repairs import Wish
from etl.planning.map_file import read_map
from etl.planning.wishes import read_wishes


@dataclass(frozen=True)
class Option:
    """How the command line says a field: `flag` with a value called `metavar`, or alone where that is None."""

    flag: str
    metavar: str | None
    help: str


def _option(flag: str, help_text: str, *, default: Any, metavar: str | None = None, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"option": Option(flag, metavar, help_text)})


@dataclass(frozen=True)
class CommonSettings:
    """What a load and a comparison are told alike. `pg` None means DATABASE_URL, then libpq's PG* variables, then the
    embedded server."""

    source: Path
    pg: str | None = _option(
        "--pg",
        "the target, postgresql://USER@HOST:PORT/DATABASE (default: DATABASE_URL, then libpq's PG* variables, "
        "then an embedded PostgreSQL under data/postgres)",
        default=None,
        metavar="URL",
        secret=True,  # it may hold a password
    )
    schema: str | None = _option(
        "--schema",
        "the target's schema (default: the first existing one of the role's search_path)",
        default=None,
        metavar="NAME",
    )
    tables: tuple[str, ...] = _option("--tables", "only these tables", default=(), metavar="A,B")
    assume_timezone: str = _option(
        "--assume-timezone",
        f"zone of times without one, for a comparison as it was for the load (default: {defaults.TIMEZONE})",
        default=defaults.TIMEZONE,
        metavar="ZONE",
    )
    times: tuple[tuple[str, str], ...] = _option(
        "--times",
        "unit of the numbers in a column of times: s, ms, us, ns (since 1970), julian, chrome, mac, excel; or the zone "
        "of its texts without one; or the type of times in created columns, timestamptz (default) or timestamp; "
        "repeatable",
        default=(),
        metavar="TABLE.COLUMN=UNIT",
    )
    repair: tuple[Wish, ...] = _option(
        "--repair",
        "alter values that would be rejected, and count them: nul, utf8, surrogates, blob-text, uuid-blob, "
        "uuid-blob-le, excess-digits, empty-null, zero-date, bool-words, json-twice=first|last, json-text, array-json, "
        "orphan-null, truncate, trim (docs/repairs.md); in these columns alone, else wherever it helps; repeatable",
        default=(),
        metavar="NAME[=TABLE.COLUMN,...]",
    )
    mapping: NameMap | None = _option(
        "--map",
        "what goes where, where names differ: a TOML file of tables, columns, types, times and repairs (docs/map.md)",
        default=None,
        metavar="FILE",
    )
    report_folder: Path | None = _option(
        "--report", f"folder for the report (default: {defaults.REPORTS}/RUN_ID)", default=None, metavar="DIR"
    )

    @classmethod
    def of(cls, source: str | Path, **values: Any) -> Self:
        """The settings from values as people give them: a path as text, one table as its name, a choice as its word.

        Raises ValueError for a choice that there is not, TypeError for a name that is no field.
        """
        return cls(Path(source), **{name: _READERS.get(name, _same)(value) for name, value in values.items()})

    @classmethod
    def options(cls) -> Mapping[str, Option]:
        """The option of each field that has one, by the field's name."""
        return {each.name: each.metadata["option"] for each in fields(cls) if "option" in each.metadata}


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What a load is asked to do."""

    dry_run: bool = _option("--dry-run", "print the plan and forecast every reject; write nothing", default=False)
    create_schema: bool = _option(
        "--create-schema",
        "create what the target lacks for the source's tables, and load (the embedded server: always)",
        default=False,
    )
    names: NameStyle = _option(
        "--names",
        "names of created tables and columns: lower (default), keep, or snake (OrderDetails: order_details)",
        default=NameStyle.LOWER,
        metavar="STYLE",
    )
    types: TypeChoice = _option(
        "--types",
        "types of created columns: fit (default: they hold every value), or declared (values that do not fit are "
        "rejected)",
        default=TypeChoice.FIT,
        metavar="CHOICE",
    )
    virtual_tables: VirtualTables = _option(
        "--virtual-tables",
        "virtual tables with rows of their own (FTS, R-tree): skip (default), or load them into plain tables",
        default=VirtualTables.SKIP,
        metavar="CHOICE",
    )
    extra_columns: ExtraColumns = _option(
        "--extra-columns",
        "source columns with values that the target lacks: stop (default), add them to the target, or drop them "
        "and keep their values in the report folder",
        default=ExtraColumns.STOP,
        metavar="CHOICE",
    )
    batch_rows: int = _option("--batch-rows", "rows a batch at the most", default=defaults.BATCH_ROWS, metavar="N")
    keep_constraints: bool = _option(
        "--keep-constraints", "do not drop and rebuild foreign keys and indexes of empty tables", default=False
    )
    disable_triggers: bool = _option(
        "--disable-triggers", "switch off the triggers of the loaded tables for the time of the load", default=False
    )
    expectations: Path | None = _option(
        "--expectations", "folder of expectation suites (default: those of the 20 tables)", default=None, metavar="DIR"
    )
    workers: int | None = _option(
        "--workers",
        "load by so many worker processes, with Dask (docs/more-than-one-machine.md; default: this process alone)",
        default=None,
        metavar="N",
    )
    scheduler: str | None = _option(
        "--scheduler",
        "load by the workers of this Dask scheduler, such as tcp://HOST:8786",
        default=None,
        metavar="ADDRESS",
    )
    resume: str | None = _option(
        "--resume", "go on with a load by workers that was cut off", default=None, metavar="RUN"
    )
    validate: bool = _option("--skip-validation", "load without asking the expectation suites", default=True)
    reconcile: bool = _option("--no-reconcile", "do not compare every value after the load", default=True)

    @property
    def by_workers(self) -> bool:
        """Whether several processes are to load; a dry run forecasts in one."""
        return not self.dry_run and any(said is not None for said in (self.workers, self.scheduler, self.resume))


@dataclass(frozen=True)
class CompareSettings(CommonSettings):
    """What a comparison that stands alone is asked to do."""

    load_report: Path | None = _option(
        "--load-report",
        "report folder of the load: rows that it rejected, columns that it dropped and repairs that it was allowed are "
        "recognised as such",
        default=None,
        metavar="DIR",
    )


class Verify(StrEnum):
    """What a sync compares again after it has written: the rows that it wrote, or everything."""

    CHANGED = "changed"
    ALL = "all"


@dataclass(frozen=True)
class SyncSettings(CommonSettings):
    """What a sync is asked to do."""

    dry_run: bool = _option("--dry-run", "forecast every change; write nothing", default=False)
    delete: bool = _option(
        "--delete", "also delete rows that only the target has (default: they are listed, and stay)", default=False
    )
    verify: Verify = _option(
        "--verify",
        "what is compared again before the commit: the rows that were changed (default), or all",
        default=Verify.CHANGED,
        metavar="CHOICE",
    )
    keep_newer: str | None = _option(
        "--keep-newer",
        "leave a row of the target as it is where this column, such as updated_at, is later there than in the source",
        default=None,
        metavar="COLUMN",
    )
    extra_columns: ExtraColumns = _option(
        "--extra-columns",
        "source columns with values that the target lacks: stop (default), add them to the target, or drop them "
        "and keep the values of the rows that are written in the report folder",
        default=ExtraColumns.STOP,
        metavar="CHOICE",
    )
    batch_rows: int = _option("--batch-rows", "rows a batch at the most", default=defaults.BATCH_ROWS, metavar="N")
    disable_triggers: bool = _option(
        "--disable-triggers", "switch off the triggers of the tables while their rows are written", default=False
    )
    expectations: Path | None = _option(
        "--expectations", "folder of expectation suites (default: those of the 20 tables)", default=None, metavar="DIR"
    )
    validate: bool = _option("--skip-validation", "write without asking the expectation suites", default=True)


def table_names(tables: str | Sequence[str]) -> tuple[str, ...]:
    """The tables as a tuple; a text is the name of one."""
    return (tables,) if isinstance(tables, str) else tuple(tables)


def time_units(times: str | Mapping[str, str] | Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """`{"person.born": "ms"}` as pairs; "timestamp", the type of created columns, as a pair without a column."""
    if isinstance(times, str):
        return (("", times),)
    return tuple(times.items()) if isinstance(times, Mapping) else tuple(times)


def _mapping(value: str | Path | Mapping[str, object] | NameMap | None) -> NameMap | None:
    return None if value is None else read_map(value)


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)


def _same(value: Any) -> Any:
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "tables": table_names,
    "times": time_units,
    "repair": read_wishes,
    "mapping": _mapping,
    "report_folder": _path,
    "expectations": _path,
    "load_report": _path,
    "extra_columns": ExtraColumns,
    "verify": Verify,
    "names": NameStyle,
    "types": TypeChoice,
    "virtual_tables": VirtualTables,
}
