"""Derive a PostgreSQL schema from a SQLite database, and print it as SQL; nothing is written anywhere else.

exit codes:
  0    the schema was derived
  1    could not run (bad source, a file that cannot be written)
  2    wrong usage
  130  interrupted (143: terminated)
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from etl.console.command_line import exit_code_of
from etl.console.options import Parser, add_source, names, source_path
from etl.core.errors import OutputError
from etl.core.proposal import NameStyle, TimeType, TypeRule


def build_parser() -> Parser:
    """The command line; every option stands in docs/commands.md."""
    parser = Parser("python -m etl schema", __doc__)
    add_source(parser)
    parser.add_argument("--sql", type=Path, dest="file", metavar="FILE", help="write the SQL into a file")
    _add_choice(parser, "names", NameStyle, "names as unquoted SQL spells them, as they are, or in snake case")
    _add_choice(parser, "types", TypeRule, "types that hold every value, or the declared ones")
    _add_choice(parser, "times", TimeType, "the type of dates with a time of day")
    parser.add_argument("--tables", type=names, default=(), metavar="A,B", help="only these tables")
    return parser


def _add_choice(parser: Parser, name: str, choice: type[NameStyle | TypeRule | TimeType], text: str) -> None:
    words = [str(word) for word in choice]
    parser.add_argument(f"--{name}", choices=words, default=words[0], help=f"{text} (default: {words[0]})")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = build_parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options), if_stopped="Nothing was written.")


def _run(options: argparse.Namespace) -> int:
    path = source_path(options)
    from etl.derivation.propose import propose_schema  # here, so that --help need not wait for pandas

    proposed = propose_schema(
        path, names=options.names, types=options.types, times=options.times, tables=options.tables
    )
    if options.file is None:
        sys.stdout.write(proposed.sql)
        return 0
    try:
        options.file.write_text(proposed.sql, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{options.file} cannot be written: {error.strerror or error}.") from error
    sys.stderr.write(f"✓ {proposed}: {options.file}\n")
    return 0
