"""Print the PostgreSQL schema for a SQLite database: derived from its declarations, proved on all of its values.

exit codes:
  0    the schema is printed (what is not carried stands in it as a comment)
  1    the source cannot be read
  2    wrong usage
  130  interrupted (143: terminated)
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from etl.console.command_line import exit_code_of, leave
from etl.console.options import Parser, add_settings, add_source, source_path
from etl.core.errors import CannotRun
from etl.runs.settings import Settings
from etl.runs.startup import Startup
from etl.source.database import Source

OPTIONS = ("tables", "mapping", "names", "types", "virtual_tables", "times", "assume_timezone")


def build_parser() -> Parser:
    """The command line; every option stands in docs/commands.md."""
    parser = Parser("python -m etl schema", __doc__)
    add_source(parser)
    add_settings(parser, Settings, *OPTIONS)
    parser.add_argument("--sql", type=Path, metavar="FILE", help="write it into FILE instead of printing it")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = build_parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options), if_stopped="Nothing was written.")


def _run(options: argparse.Namespace) -> int:
    path = source_path(options)
    from etl.progress.terminal import TerminalProgress
    from etl.runs.observer import Stage

    with Startup(path, validate=False) as startup, TerminalProgress() as progress:
        progress.stage_begun(Stage.LOOK)
        startup.source.count_classes_ahead(options.tables)
        sql = _script(options, startup.source)
    if options.sql is None:
        sys.stdout.write(sql)
        return 0
    try:
        options.sql.write_text(sql, encoding="utf-8")
    except OSError as error:
        raise CannotRun(f"--sql {options.sql} cannot be written: {error.strerror}.") from error
    return 0


def _script(options: argparse.Namespace, source: Source) -> str:
    from etl.reporting.schema import ProposedSchema  # here, so that reading goes on while pandas is imported
    from etl.runs.create_schema import propose

    settings = Settings.of(source.path, **{name: getattr(options, name) for name in OPTIONS})
    return ProposedSchema(propose(source, settings), source.path.name).sql


if __name__ == "__main__":
    leave(main())
