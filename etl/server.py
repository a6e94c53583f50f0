"""python -m etl.server: hold the embedded PostgreSQL open, to look into it with psql, pandas or anything else.

It runs until Ctrl-C or SIGTERM, and beside other commands that use it. With --psql it opens psql and ends with it.
"""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from etl.console.command_line import harmless
from etl.console.options import Parser
from etl.core import defaults
from etl.core.errors import EtlError, UsageError
from etl.core.text import unknown_names
from etl.embedded.server import EmbeddedServer


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives the exit code: 0, or 1 or 2 with one line on stderr, or psql's own."""
    options = build_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _end_like_ctrl_c)
    try:
        _require_server(options.data)
        with EmbeddedServer(options.data) as server:
            return _hold_open(server) if options.psql is None else _open_psql(server, options.psql)
    except EtlError as error:
        print(f"Error: {harmless(error)}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return 0


def build_parser() -> Parser:
    """The command line; every option stands in docs/commands.md."""
    parser = Parser("python -m etl.server", "Holds the embedded PostgreSQL open.")
    parser.add_argument(
        "--data",
        type=Path,
        default=defaults.SERVER_FOLDER,
        metavar="DIR",
        help="where it is kept (default: %(default)s)",
    )
    parser.add_argument(
        "--psql", nargs="?", const="", metavar="DATABASE", help="open psql in DATABASE (default: that of the last run)"
    )
    return parser


def _require_server(folder: Path) -> None:
    """A folder that somebody names is one that is there: a mistyped one would become a new and empty server."""
    if folder != defaults.SERVER_FOLDER and not EmbeddedServer(folder).exists:
        raise UsageError(
            f"There is no embedded PostgreSQL in {folder}. python -m etl.run makes one, in {defaults.SERVER_FOLDER}."
        )


def _end_like_ctrl_c(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _hold_open(server: EmbeddedServer) -> int:
    names = server.databases()
    print(_welcome(server, names), flush=True)  # noqa: T201
    while True:
        signal.pause()


def _welcome(server: EmbeddedServer, names: Sequence[str]) -> str:
    lines = [f"PostgreSQL {server.version} is running on the data in {server.folder}, for this user only."]
    if not names:
        lines.append("It holds no database yet; python -m etl.run makes one.")
    for name in names:
        url = server.url(name).render_as_string(hide_password=False)
        lines += ["", name, f"  {server.psql_command(name)}", f'  pd.read_sql("SELECT ...", "{url}")']
    return "\n".join([*lines, "", "Ctrl-C stops it."])


def _open_psql(server: EmbeddedServer, wanted: str) -> int:
    command = server.psql(_database(server.databases(), wanted or server.last_database or ""))
    # Ctrl-C inside psql is psql's: it cancels a query, and must not end us before it.
    with _ignoring_ctrl_c():
        return subprocess.run(command, check=False).returncode


def _database(names: Sequence[str], wanted: str) -> str:
    if wanted in names:
        return wanted
    if not wanted and len(names) == 1:
        return names[0]
    if not names:
        raise UsageError("There is no database yet; python -m etl.run makes one.")
    if wanted:
        raise UsageError(unknown_names("There is no database", [wanted], names))
    raise UsageError(f"Name the database: --psql DATABASE. There is: {', '.join(names)}.")


@contextlib.contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, _do_nothing)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _do_nothing(_number: int, _frame: object) -> None:
    """Not SIG_IGN, which psql would inherit."""


if __name__ == "__main__":
    sys.exit(main())
