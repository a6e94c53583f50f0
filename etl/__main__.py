"""The front door: `python -m etl COMMAND …`, and `sqlite-to-postgres COMMAND …` where the package is installed.

exit codes are those of the command; 2 where there is no such command
"""

import importlib
import sys
from collections.abc import Sequence

from etl.console.command_line import leave
from etl.core.text import unknown_names
from etl.core.version import __version__

PROGRAM = "sqlite-to-postgres"
COMMANDS = {
    "run": ("etl.run", "load a SQLite database into PostgreSQL and account for every row"),
    "profile": ("etl.console.profile", "look at a SQLite database: distributions, NULLs and what is odd, on one page"),
    "schema": ("etl.console.schema", "print the PostgreSQL schema for a SQLite database"),
    "validate": ("etl.validate", "say whether a SQLite database is ready to be loaded"),
    "reconcile": ("etl.reconcile", "compare a SQLite database with a PostgreSQL one, value by value"),
    "sync": ("etl.console.sync", "bring PostgreSQL up to what the SQLite database has become since the load"),
    "undo": ("etl.console.undo", "take back what a load or a sync did, where rows are as it left them"),
    "server": ("etl.server", "keep the embedded PostgreSQL up, or look inside with psql"),
}
"""Each command's module, which is imported only when it is chosen, and what it does."""


def usage() -> str:
    """What there is to choose from."""
    lines = [f"  {name:<10} {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {PROGRAM} COMMAND [SOURCE] [options]",
            "",
            "Moves a SQLite database into PostgreSQL and proves that every row arrived.",
            "",
            "commands:",
            *lines,
            "",
            f"{PROGRAM} COMMAND --help lists a command's options; --version prints the version.",
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names, with the others; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0
    if given[0] == "--version":
        sys.stdout.write(f"{__version__}\n")
        return 0
    name, *others = given
    if name not in COMMANDS:
        sys.stderr.write(f"usage: {PROGRAM} COMMAND [SOURCE] [options]; --help lists the commands\n")
        sys.stderr.write(f"{PROGRAM}: error: {unknown_names('there is no command', [name], COMMANDS)}\n")
        return 2
    code: int = importlib.import_module(COMMANDS[name][0]).main(others)
    return code


def program() -> None:
    """The console script."""
    leave(main())


if __name__ == "__main__":
    program()
