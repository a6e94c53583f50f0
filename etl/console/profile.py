"""Look at a SQLite database before anything is planned: every column with its NULLs, its distribution and what is odd.

exit codes:
  0    the page is written (whatever was found stands in it)
  1    the source cannot be read, or the page not be written
  2    wrong usage
  130  interrupted (143: terminated)
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from etl.console.command_line import exit_code_of, leave
from etl.console.options import Parser, add_settings, add_source, source_path
from etl.core import defaults
from etl.core.redaction import printable
from etl.core.text import counted
from etl.runs.settings import Settings

FINDINGS_SHOWN = 30


def build_parser() -> Parser:
    """The command line; every option stands in docs/commands.md."""
    parser = Parser("python -m etl profile", __doc__)
    add_source(parser)
    add_settings(parser, Settings, "tables", "assume_timezone")
    parser.add_argument(
        "--html",
        type=Path,
        default=defaults.PROFILE,
        metavar="FILE",
        help=f"the page, which needs no network (default: {defaults.PROFILE})",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = build_parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options), if_stopped="Nothing was written.")


def _run(options: argparse.Namespace) -> int:
    path = source_path(options)
    from etl.profiling.profile import profile  # here, so that --help need not wait for pandas

    found = profile(path, tables=options.tables, assume_timezone=options.assume_timezone)
    page = found.write_html(options.html)
    sys.stdout.write(f"{printable(found)}\n")
    for item in found.disagreements.head(FINDINGS_SHOWN).to_dict("records"):
        place = f"{item['table']}.{item['column']}"
        line = f"{counted(item['rows'], 'row')} of {place}: {item['finding']}, such as {item['example']}"
        sys.stdout.write(f"  - {printable(line)}\n")
    for key in found.orphans[found.orphans["orphans"] > 0].to_dict("records"):
        line = f"{counted(key['orphans'], 'row')} of {key['table']}.{key['column']}: no such row in {key['parent']}"
        sys.stdout.write(f"  - {printable(line)}\n")
    if len(found.disagreements) > FINDINGS_SHOWN:
        sys.stdout.write(f"  … and {len(found.disagreements) - FINDINGS_SHOWN:,} more\n")
    sys.stdout.write(f"Page: {printable(page)}\n")
    return 0


if __name__ == "__main__":
    leave(main())
