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

from etl.console.command_line import exit_code_of, leave
from etl.console.options import Parser, add_output, add_settings, add_source, settings_from, source_path
from etl.core.lazy_imports import postponed_imports
from etl.runs.settings import CompareSettings
from etl.runs.startup import Startup


def build_parser() -> Parser:
    """The command line; every option stands in docs/commands.md."""
    parser = Parser("python -m etl.reconcile", __doc__)
    add_source(parser)
    add_settings(parser, CompareSettings)
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="load a sample into a scratch schema, damage it in every way that is named, and see that each damage is "
        "found and nothing else; the schema is removed again",
    )
    add_output(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = build_parser().parse_args(arguments)
    command = _self_test if options.self_test else _compare
    return exit_code_of(lambda: command(options), if_stopped="Nothing was written to either side.")


def _compare(options: argparse.Namespace) -> int:
    path = source_path(options)
    with Startup(path, validate=False) as startup:
        return _compare_from(startup, options, path)


def _compare_from(startup: Startup, options: argparse.Namespace, path: Path) -> int:
    from etl.progress.bar import starting

    # here, so that --help need not wait for pandas
    with starting(quiet=options.quiet, no_color=options.no_color), postponed_imports():
        from etl.console.compare import ReconcileConsole
        from etl.runs.compare import run_comparison

    settings = settings_from(options, CompareSettings, path)
    console = ReconcileConsole(
        quiet=options.quiet, verbose=options.verbose, json_only=options.json, no_color=options.no_color
    )
    with console:
        report = run_comparison(settings, console, startup)
    console.finished(report)
    if options.json:
        sys.stdout.write(report.to_json().decode())
    return report.exit_code


def _self_test(options: argparse.Namespace) -> int:
    from etl.console.compare import print_self_test
    from etl.progress.terminal import TerminalProgress
    from etl.runs.self_test import run_self_test

    with TerminalProgress(quiet=options.quiet, no_color=options.no_color) as progress:
        outcome = run_self_test(options.pg, progress)
    print_self_test(outcome, json_only=options.json, quiet=options.quiet, no_color=options.no_color)
    return outcome.exit_code


if __name__ == "__main__":
    leave(main())
