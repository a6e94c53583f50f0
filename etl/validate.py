"""Check whether a SQLite database is ready to be loaded: conversion, expectations, keys and foreign keys.

Without --pg it is checked against an empty PostgreSQL that is made for this alone, and is gone afterwards.

exit codes:
  0    a load would be green: every row would arrive (warnings are listed)
  1    could not run (bad source, broken suite, connection, drift to be decided)
  2    wrong usage
  3    rows would be rejected, or a value would not arrive as it is
  130  interrupted (143: terminated)
"""

import argparse
import sys
from collections.abc import Sequence

from etl.console.command_line import exit_code_of, leave
from etl.console.options import Parser, add_settings, add_source, source_path
from etl.core.lazy_imports import postponed_imports
from etl.core.redaction import printable
from etl.runs.settings import Settings
from etl.runs.startup import Startup

OPTIONS = (
    "pg",
    "schema",
    "tables",
    "create_schema",
    "names",
    "types",
    "virtual_tables",
    "extra_columns",
    "assume_timezone",
    "times",
    "repair",
    "mapping",
    "expectations",
    "report_folder",
)
HELP = {
    "pg": "the target to check against; nothing is written to it (default: an empty PostgreSQL, made for the check)",
    "create_schema": "count on the load to create what the target lacks (without --pg: always)",
    "report_folder": "folder for the report of the forecast and the rejected rows (default: nothing is left)",
}


def build_parser() -> Parser:
    """The command line; every option stands in docs/commands.md."""
    parser = Parser("python -m etl.validate", __doc__)
    add_source(parser)
    add_settings(parser, Settings, *OPTIONS, help_texts=HELP)
    parser.add_argument("--json", action="store_true", help="print the result as JSON, alone on stdout")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = build_parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options), if_stopped="Nothing was written.")


def _run(options: argparse.Namespace) -> int:
    path = source_path(options)
    from etl.progress.bar import starting  # here, so that --help need not wait for rich and pandas

    with Startup(path, validate=True) as startup:
        with starting(), postponed_imports():
            from etl.progress.terminal import TerminalProgress
            from etl.runs.source_check import run_check

        settings = Settings.of(path, **{name: getattr(options, name) for name in OPTIONS})
        with TerminalProgress() as progress:
            result = run_check(settings, progress, startup)
    if options.json:
        sys.stdout.write(result.to_json().decode())
        return result.exit_code
    sys.stdout.write(f"{printable(result)}\n")
    for line in result.findings():
        sys.stdout.write(f"  - {printable(line)}\n")
    if result.folder is not None:
        sys.stdout.write(f"Report: {printable(result.folder)}\n")
    sys.stdout.write(f"{'✗' if result.exit_code else '✓'} {result.verdict}\n")
    return result.exit_code


if __name__ == "__main__":
    leave(main())
