"""Compare a SQLite database with a PostgreSQL one, row by row and value by value; nothing is written to either.

exit codes:
  0    both sides are equal
  1    could not compare (connection, bad source)
  2    wrong usage
  3    rows are missing, differ or stand in the target alone, or the target lacks columns that hold values
  130  interrupted (143: terminated)
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from etl.console.command_line import (
    add_schema,
    add_verbosity,
    exit_code_of,
    leave,
    names,
    source_path,
    timezone,
)
from etl.core import defaults
from etl.core.lazy_imports import postponed_imports
from etl.runs.startup import Startup


def build_parser() -> argparse.ArgumentParser:
    """The command line; every option stands in the README."""
    parser = argparse.ArgumentParser(
        prog="python -m etl.reconcile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--sqlite", type=Path, metavar="PATH", help=f"the SQLite file (default: {defaults.SOURCE})")
    parser.add_argument(
        "--pg",
        metavar="URL",
        help="the target, postgresql://USER@HOST:PORT/DATABASE (default: as for python -m etl.run)",
    )
    add_schema(parser)
    parser.add_argument("--tables", type=names, default=(), metavar="A,B", help="only these tables")
    parser.add_argument(
        "--assume-timezone",
        type=timezone,
        default=defaults.TIMEZONE,
        metavar="ZONE",
        help="zone of times without one, as it was for the load (default: UTC)",
    )
    parser.add_argument(
        "--load-report",
        type=Path,
        metavar="DIR",
        help="report folder of the load: rows that it rejected and columns that it left behind are recognised as such",
    )
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="folder for the report and all differences (default: reports/RUN_ID)"
    )
    parser.add_argument("--json", action="store_true", help="print the report object alone on stdout")
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="load a sample into a scratch schema, damage it in every way that is named, and see that each damage is "
        "found and nothing else; the schema is removed again",
    )
    add_verbosity(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = build_parser().parse_args(arguments)
    command = _self_test if options.self_test else _compare
    return exit_code_of(lambda: command(options), if_stopped="Nothing was written to either side.")


def _compare(options: argparse.Namespace) -> int:
    path = source_path(options.sqlite)
    with Startup(path, validate=False) as startup:
        return _compare_from(startup, options, path)


def _compare_from(startup: Startup, options: argparse.Namespace, path: Path) -> int:
    with postponed_imports():  # here, so that --help need not wait for pandas
        from etl.console.compare import ReconcileConsole
        from etl.runs.compare import ReconcileSettings, run_reconciliation

    settings = ReconcileSettings(
        sqlite=path,
        pg=options.pg,
        schema=options.schema,
        tables=options.tables,
        assume_timezone=options.assume_timezone,
        load_report=options.load_report,
        report_folder=options.report,
    )
    console = ReconcileConsole(
        quiet=options.quiet, verbose=options.verbose, json_only=options.json, no_color=options.no_color
    )
    report = run_reconciliation(settings, console, startup)
    console.finished(report)
    if options.json:
        sys.stdout.write(report.to_json().decode())
    return report.exit_code


def _self_test(options: argparse.Namespace) -> int:
    from etl.console.compare import print_self_test
    from etl.runs.self_test import run_self_test

    outcome = run_self_test(options.pg)
    print_self_test(outcome, json_only=options.json, quiet=options.quiet, no_color=options.no_color)
    return outcome.exit_code


if __name__ == "__main__":
    leave(main())
