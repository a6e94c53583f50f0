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

from etl.console.command_line import NOTHING_COMMITTED, exit_code_of, leave, run_to_its_end, tell
from etl.console.options import Parser, add_output, add_settings, add_source, settings_from, source_path
from etl.core import defaults
from etl.core.errors import UsageError
from etl.core.lazy_imports import postponed_imports
from etl.runs.settings import Settings
from etl.runs.startup import Startup


def build_parser() -> Parser:
    """The command line; every option stands in docs/commands.md."""
    parser = Parser("python -m etl.run", __doc__)
    add_source(parser, demo=True)
    add_settings(parser, Settings)
    parser.add_argument(
        "--per-file",
        metavar="schema|column:NAME",
        help="load many files, --sqlite 'tenants/*.db' or a file of paths: each into a schema named after it, or all "
        "into the same tables with a leading column NAME (docs/more-than-one-machine.md)",
    )
    parser.add_argument("--abandon", metavar="RUN", help="remove what is left of a load by workers that was cut off")
    add_output(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = build_parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options), if_stopped=NOTHING_COMMITTED)


def _run(options: argparse.Namespace) -> int:
    if options.per_file is not None:
        return _load_fleet(options)
    path = _source(options)
    if options.abandon is not None:
        return _abandon(options, path)
    if options.workers or options.scheduler or options.resume:  # the workers begin by themselves
        return _load(options, path, None)
    with Startup(path, validate=options.validate) as startup:
        return _load(options, path, startup)


def _load_fleet(options: argparse.Namespace) -> int:
    """Loads many files, each by itself."""
    with postponed_imports():
        from etl.console.fleet import ConsoleFleet
        from etl.scaling.fleet.load import run_fleet

    sources = options.source or options.sqlite
    if sources is None:
        raise UsageError("--per-file needs a glob such as 'tenants/*.db', or a file with one path a line, in --sqlite.")
    settings = settings_from(options, Settings, Path(sources))
    console = ConsoleFleet(quiet=options.quiet, json_only=options.json, no_color=options.no_color)
    report = run_fleet(sources, settings, options.per_file, console)
    return tell(report, console.finished, as_json=options.json)


def _abandon(options: argparse.Namespace, path: Path) -> int:
    """Removes what is left of a run by workers."""
    with postponed_imports():
        from etl.scaling.cut_off import abandon_run

    run = abandon_run(options.abandon, path, options.pg)
    sys.stdout.write(f"✓ Removed the run {run.run_id}, schema {run.schema}: {run.parts_done} of {run.parts} parts\n")
    return 0


def _load(options: argparse.Namespace, path: Path, startup: Startup | None) -> int:
    from etl.progress.bar import starting

    # here, so that --help need not wait for pandas
    with starting(quiet=options.quiet, no_color=options.no_color), postponed_imports():
        from etl.console.load import ConsoleObserver
        from etl.scaling.choose import run_load

    settings = settings_from(options, Settings, path)
    console = ConsoleObserver(
        dry_run=options.dry_run,
        quiet=options.quiet,
        verbose=options.verbose,
        json_only=options.json,
        no_color=options.no_color,
    )
    with console:
        report, trouble = run_to_its_end(lambda: run_load(settings, console, startup))
    code = tell(report, console.finished, as_json=options.json)
    if trouble is not None:
        raise trouble
    return code


def _source(options: argparse.Namespace) -> Path:
    if options.demo:
        from etl.sample.build import make_sample

        defaults.DEMO_SOURCE.parent.mkdir(parents=True, exist_ok=True)
        make_sample(defaults.DEMO_SOURCE)
        return defaults.DEMO_SOURCE
    return source_path(options)


if __name__ == "__main__":
    leave(main())
