"""The command line's options: made from the settings' fields, declared once for all commands."""

import argparse
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from etl.core import defaults
from etl.core.errors import SourceError, UsageError
from etl.core.repairs import Wish
from etl.core.text import nearest
from etl.core.version import __version__
from etl.planning.wishes import read_wish
from etl.runs.settings import CommonSettings, Option

S = TypeVar("S", bound=CommonSettings)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line of usage and one line that says what is wrong."""

    def __init__(self, prog: str, description: str | None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("--version", action="version", version=__version__, help="print the version")

    def error(self, message: str) -> NoReturn:
        """Exits with 2; each unknown option is told with the nearest one."""
        if message.startswith("unrecognized arguments: "):
            known = re.findall(r"--[a-z][a-z-]*", self.format_help())
            near = [nearest(option, known) for option in re.findall(r"--[^\s=]+", message)]
            hints = ", ".join(repr(option) for option in near if option is not None)
            message += f"; did you mean {hints}?" if hints else ""
        source = " [SOURCE]" if "[SOURCE]" in self.format_usage() else ""
        usage = f"usage: {self.prog}{source} [options]; {self.prog} --help lists them"
        self.exit(2, f"{usage}\n{self.prog}: error: {message}\n")


def add_source(parser: argparse.ArgumentParser, *, demo: bool = False) -> None:
    """The source, as an argument or as an option; with `demo` also the sample."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("source", nargs="?", type=Path, metavar="SOURCE", help=f"the SQLite file ({_default_source()})")
    group.add_argument("--sqlite", type=Path, metavar="PATH", help="the same as an option")
    if demo:
        group.add_argument(
            "--demo", action="store_true", help=f"make a sample database, {defaults.DEMO_SOURCE}, and load that"
        )


def _default_source() -> str:
    return f"default: {defaults.SOURCE}"


def source_path(options: argparse.Namespace) -> Path:
    """The file that was named, else the default one; `SourceError` where there is neither."""
    given: Path | None = options.source or options.sqlite
    if given is None and not defaults.SOURCE.exists():
        raise SourceError(
            f"There is no {defaults.SOURCE}: name a file with --sqlite PATH, or try python -m etl.run --demo."
        )
    return given or defaults.SOURCE


def add_settings(
    parser: argparse.ArgumentParser,
    settings: type[CommonSettings],
    *names: str,
    help_texts: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """One option for each field of `settings`, or for those `names` alone; `help_texts` where a command means it
    otherwise."""
    for name, option in settings.options().items():
        if not names or name in names:
            said = replace(option, help=help_texts.get(name, option.help))
            _add(parser, name, said, settings.__dataclass_fields__[name].default)


def _add(parser: argparse.ArgumentParser, name: str, option: Option, default: Any) -> None:
    if option.metavar is None:
        parser.add_argument(option.flag, dest=name, action=_SWITCHES[default], help=option.help)
    elif isinstance(default, StrEnum):
        choices = [str(choice) for choice in type(default)]
        parser.add_argument(option.flag, dest=name, choices=choices, default=str(default), help=option.help)
    elif name in _REPEATABLE:
        read = _REPEATABLE[name]
        parser.add_argument(
            option.flag, dest=name, type=read, action="append", default=[], metavar=option.metavar, help=option.help
        )
    else:
        read = _READERS.get(name, str)
        parser.add_argument(
            option.flag, dest=name, type=read, default=default, metavar=option.metavar, help=option.help
        )


def settings_from(options: argparse.Namespace, settings: type[S], source: Path) -> S:
    """The settings that the parsed options say."""
    return settings.of(source, **{name: getattr(options, name) for name in settings.options()})


def add_output(parser: argparse.ArgumentParser, *, what: str = "report object") -> None:
    """The options about what is printed, how much of it, and in which colours."""
    parser.add_argument("--json", action="store_true", help=f"print the {what} alone on stdout")
    verbosity = parser.add_mutually_exclusive_group()
    verbosity.add_argument("-q", "--quiet", action="store_true", help="only the summary and errors")
    verbosity.add_argument("-v", "--verbose", action="store_true", help="also the plan, column by column")
    parser.add_argument("--no-color", action="store_true", help="no colours (NO_COLOR is honoured too)")


def names(text: str) -> tuple[str, ...]:
    """An argparse type: a comma-separated list."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError("name at least one table")
    return found


def unit(text: str) -> tuple[str, str]:
    """An argparse type: a column of the source, and the unit of its numbers."""
    if text in ("timestamptz", "timestamp"):
        return "", text
    place, equals, word = text.rpartition("=")
    if not equals or "." not in place:
        raise argparse.ArgumentTypeError(f"{text!r} is neither TABLE.COLUMN=UNIT nor timestamptz or timestamp")
    return place, word


def repair(text: str) -> Wish:
    """An argparse type: the name of a repair, and columns of the source."""
    try:
        return read_wish(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """An argparse type: a whole number above 0."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def timezone(text: str) -> str:
    """An argparse type: the name of a time zone."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time zone such as UTC or Asia/Seoul") from None
    return text


_REPEATABLE: dict[str, Callable[[str], Any]] = {"times": unit, "repair": repair}
_SWITCHES = {False: "store_true", True: "store_false"}
_READERS: dict[str, Callable[[str], Any]] = {
    "tables": names,
    "assume_timezone": timezone,
    "batch_rows": positive,
    "workers": positive,
    "report_folder": Path,
    "expectations": Path,
    "load_report": Path,
    "mapping": Path,
}
