"""Bring PostgreSQL up to its SQLite source: what is missing is inserted, what differs is updated, in one transaction.

exit codes:
  0    both sides are equal
  1    could not run, nothing committed (connection, bad source, drift to be decided, lock)
  2    wrong usage
  3    ran and committed, but rows were rejected, stand in the target alone, or differ still (in a dry run: would), or
       the report could not be written; or the connection broke during COMMIT and the server could not be asked
  130  interrupted, nothing committed (143: terminated); with --watch the code of the last round that came to its end
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from etl.console.command_line import NOTHING_COMMITTED, exit_code_of, leave, run_to_its_end, tell
from etl.console.options import Parser, add_output, add_settings, add_source, positive, settings_from, source_path
from etl.core.lazy_imports import postponed_imports
from etl.runs.settings import SyncSettings
from etl.runs.startup import Startup


def build_parser() -> Parser:
    """The command line; every option stands in docs/commands.md."""
    parser = Parser("python -m etl sync", __doc__)
    add_source(parser)
    add_settings(parser, SyncSettings)
    parser.add_argument(
        "--watch",
        type=positive,
        metavar="SECONDS",
        help="sync again and again, so many seconds after each round, one line a round; Ctrl-C ends it",
    )
    add_output(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = build_parser().parse_args(arguments)
    command = _run if options.watch is None else _watch
    return exit_code_of(lambda: command(options), if_stopped=NOTHING_COMMITTED)


def _run(options: argparse.Namespace) -> int:
    path = source_path(options)
    with Startup(path, validate=False) as startup:
        return _sync(options, path, startup)


def _sync(options: argparse.Namespace, path: Path, startup: Startup) -> int:
    from etl.progress.bar import starting

    # here, so that --help need not wait for pandas
    with starting(quiet=options.quiet, no_color=options.no_color), postponed_imports():
        from etl.console.changes import SyncConsole
        from etl.runs.sync import run_sync

    settings = settings_from(options, SyncSettings, path)
    console = SyncConsole(
        dry_run=options.dry_run,
        quiet=options.quiet,
        verbose=options.verbose,
        json_only=options.json,
        no_color=options.no_color,
    )
    with console:
        report, trouble = run_to_its_end(lambda: run_sync(settings, console, startup))
    code = tell(report, console.finished, as_json=options.json)
    if trouble is not None:
        raise trouble
    return code


def _watch(options: argparse.Namespace) -> int:
    from etl.console.changes import WatchConsole
    from etl.runs.watch import watch

    settings = settings_from(options, SyncSettings, source_path(options))
    console = WatchConsole(
        quiet=options.quiet, verbose=options.verbose, json_only=options.json, no_color=options.no_color
    )
    return watch(settings, options.watch, console)


if __name__ == "__main__":
    leave(main())
