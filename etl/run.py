"""Load a SQLite database into PostgreSQL and account for every row.

exit codes:
  0    every row reconciled
  1    could not run, nothing committed (connection, bad source, drift to be decided, lock)
  2    wrong usage
  3    ran and committed, but rows were rejected, differ or are missing (in a dry run: would be), or the report could
       not be written; or the connection broke during COMMIT and the server could not be asked what became of it
  130  interrupted, nothing committed (143: terminated)
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etl.console.command_line import (
    NOTHING_COMMITTED,
    add_schema,
    add_verbosity,
    exit_code_of,
    leave,
    names,
    over,
    positive,
    source_path,
    timezone,
)
from etl.core import defaults
from etl.core.errors import CommittedError
from etl.core.lazy_imports import postponed_imports
from etl.runs.startup import Startup

if TYPE_CHECKING:
    from etl.core.report import ReportData
    from etl.runs.load import Settings
    from etl.runs.observer import Observer


def build_parser() -> argparse.ArgumentParser:
    """The command line; every option stands in the README."""
    parser = argparse.ArgumentParser(
        prog="python -m etl.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--sqlite", type=Path, metavar="PATH", help=f"the SQLite file (default: {defaults.SOURCE})")
    source.add_argument(
        "--demo", action="store_true", help=f"make a sample database, {defaults.DEMO_SOURCE}, and load that"
    )
    parser.add_argument(
        "--pg",
        metavar="URL",
        help="the target, postgresql://USER@HOST:PORT/DATABASE (default: DATABASE_URL, then libpq's PG* variables, "
        "then an embedded PostgreSQL under data/postgres)",
    )
    add_schema(parser)
    parser.add_argument("--tables", type=names, default=(), metavar="A,B", help="only these tables")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the plan and forecast every reject; write nothing"
    )
    parser.add_argument("--create-schema", action="store_true", help="create those of the 20 tables that are missing")
    parser.add_argument(
        "--extra-columns",
        choices=("stop", "add", "drop"),
        default="stop",
        help="source columns with values that the target lacks: stop (default), add them to the target, or drop them "
        "and keep their values in the report folder",
    )
    parser.add_argument(
        "--assume-timezone",
        type=timezone,
        default=defaults.TIMEZONE,
        metavar="ZONE",
        help="zone of times without one (default: UTC)",
    )
    parser.add_argument("--batch-rows", type=positive, default=None, metavar="N", help="rows a batch at the most")
    parser.add_argument(
        "--keep-constraints",
        action="store_true",
        help="do not drop and rebuild foreign keys and indexes of empty tables",
    )
    parser.add_argument(
        "--expectations",
        type=Path,
        metavar="DIR",
        help="folder of expectation suites (default: those of the 20 tables)",
    )
    parser.add_argument("--skip-validation", action="store_true", help="load without asking the expectation suites")
    parser.add_argument("--no-reconcile", action="store_true", help="do not compare every value after the load")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="folder for report.json and rejects (default: reports/RUN_ID)"
    )
    parser.add_argument("--json", action="store_true", help="print the report object alone on stdout")
    add_verbosity(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = build_parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options), if_stopped=NOTHING_COMMITTED)


def _run(options: argparse.Namespace) -> int:
    path = _source(options)
    with Startup(path, validate=not options.skip_validation) as startup:
        return _load(options, path, startup)


def _load(options: argparse.Namespace, path: Path, startup: Startup) -> int:
    with postponed_imports():  # here, so that --help need not wait for pandas
        from etl.console.load import ConsoleObserver
        from etl.core.plan import ExtraColumns
        from etl.runs.load import Settings

    settings = Settings(
        sqlite=path,
        pg=options.pg,
        schema=options.schema,
        tables=options.tables,
        dry_run=options.dry_run,
        create_schema=options.create_schema,
        extra_columns=ExtraColumns(options.extra_columns),
        assume_timezone=options.assume_timezone,
        keep_constraints=options.keep_constraints,
        validate=not options.skip_validation,
        expectations=options.expectations,
        reconcile=not options.no_reconcile,
        report_folder=options.report,
        **({"batch_rows": options.batch_rows} if options.batch_rows else {}),
    )
    console = ConsoleObserver(
        dry_run=options.dry_run,
        quiet=options.quiet,
        verbose=options.verbose,
        json_only=options.json,
        no_color=options.no_color,
    )
    with console:
        report, trouble = _run_to_its_end(settings, console, startup)
    with over(f"The run itself had come to its end: exit code {report.exit_code}, report in {report.folder}."):
        console.finished(report)
        if options.json:
            sys.stdout.write(report.to_json().decode())
        sys.stdout.flush()
    if trouble is not None:
        raise trouble
    return report.exit_code


def _run_to_its_end(
    settings: "Settings", observer: "Observer", startup: Startup
) -> "tuple[ReportData, CommittedError | None]":
    """The report of a run that came to its end, and what kept it from the report folder."""
    from etl.runs.load import run_migration

    try:
        return run_migration(settings, observer, startup), None
    except CommittedError as error:
        return error.report, error


def _source(options: argparse.Namespace) -> Path:
    if options.demo:
        from etl.sample.build import make_sample

        defaults.DEMO_SOURCE.parent.mkdir(parents=True, exist_ok=True)
        make_sample(defaults.DEMO_SOURCE)
        return defaults.DEMO_SOURCE
    return source_path(options.sqlite)


if __name__ == "__main__":
    leave(main())
