"""Undo a load or a sync: take back what it did where rows are still as it left them, and name the rest.

exit codes:
  0    everything is taken back (in a dry run: would be)
  1    could not undo, nothing changed (connection, lock, rights, a record that does not fit, undone already)
  2    wrong usage, or no record of the run
  3    something was left (in a dry run: would be), or the report could not be written; or the connection broke during
       COMMIT and the server could not be asked what became of it
  130  interrupted, nothing changed (143: terminated)
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etl.console.command_line import exit_code_of, leave, tell
from etl.console.options import Parser, add_settings
from etl.core.lazy_imports import postponed_imports
from etl.runs.settings import CommonSettings

if TYPE_CHECKING:
    pass


def build_parser() -> Parser:
    """The command line; every option stands in docs/commands.md."""
    parser = Parser("python -m etl undo", __doc__)
    parser.add_argument("run", type=Path, metavar="REPORT", help="the report folder of the run that is to be undone")
    add_settings(parser, CommonSettings, "pg", "report_folder")
    parser.add_argument("--dry-run", action="store_true", help="say what would be taken back and left; change nothing")
    parser.add_argument("--json", action="store_true", help="print the report object alone on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="only what was left, the outcome and errors")
    parser.add_argument("--no-color", action="store_true", help="no colours (NO_COLOR is honoured too)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = build_parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options), if_stopped="Nothing was changed: the target is as it was.")


def _run(options: argparse.Namespace) -> int:
    with postponed_imports():  # here, so that --help need not wait for pandas
        from etl.console.undo_page import UndoPage
        from etl.runs.undo import UndoSettings, run_undo

    settings = UndoSettings(options.run, options.pg, options.dry_run, options.report_folder)
    page: UndoPage = UndoPage(
        dry_run=options.dry_run, quiet=options.quiet, json_only=options.json, no_color=options.no_color
    )
    report = run_undo(settings, page)
    return tell(report, page.finished, as_json=options.json, what="undo")


if __name__ == "__main__":
    leave(main())
