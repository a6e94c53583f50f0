"""Check a SQLite database against the expectation suites, without any target and without writing.

exit codes:
  0    every row could be loaded (warnings are listed)
  1    could not run (bad source, broken suite)
  2    wrong usage
  3    rows would be rejected, or a critical expectation is not met
  130  interrupted (143: terminated)
"""

import argparse
import sys
from collections.abc import Sequence

from etl.console.command_line import exit_code_of, leave
from etl.console.options import Parser, add_settings, add_source, source_path
from etl.core.redaction import printable
from etl.runs.settings import Settings


def build_parser() -> Parser:
    """The command line; every option stands in docs/commands.md."""
    parser = Parser("python -m etl.validate", __doc__)
    add_source(parser)
    add_settings(parser, Settings, "tables", "expectations", "assume_timezone", "mapping", "repair")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, alone on stdout")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = build_parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options), if_stopped="Nothing was written.")


def _run(options: argparse.Namespace) -> int:
    path = source_path(options)
    from etl.runs.source_check import check_source  # here, so that --help need not wait for pandas

    result = check_source(
        path,
        tables=options.tables,
        expectations=options.expectations,
        assume_timezone=options.assume_timezone,
        mapping=options.mapping,
        repair=options.repair,
    )
    if options.json:
        sys.stdout.write(result.to_json().decode())
        return result.exit_code
    sys.stdout.write(f"{printable(result)}\n")
    for line in result.findings():
        sys.stdout.write(f"  - {printable(line)}\n")
    sys.stdout.write("✓ Ready to be loaded.\n" if not result.exit_code else "")
    return result.exit_code


if __name__ == "__main__":
    leave(main())
