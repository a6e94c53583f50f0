"""Reads the user's map file (TOML), and checks it against both catalogues before anything else happens."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar, cast

from etl.core.errors import UsageError
from etl.core.name_map import NameMap
from etl.core.repairs import Wish
from etl.core.text import did_you_mean
from etl.planning.wishes import wish_of

_SECTIONS = ("tables", "columns", "types", "times", "repair")
Document = Mapping[str, object]
T = TypeVar("T")


def read_map(mapping: str | Path | Document | NameMap | None) -> NameMap:
    """The user's decisions from a TOML file, from a dict of the same form, or as they are.

    :param mapping: a path, or {"tables": {…}, "columns": {table: {…}}, "types": {…}, "times": {…}, "repair": {…}};
        None: no decisions.
    :raises UsageError: for a file that cannot be read, unknown sections, and values of another type.
    """
    if mapping is None:
        return NameMap()
    if isinstance(mapping, NameMap):
        return mapping
    if isinstance(mapping, Mapping):
        return _parsed(mapping, "mapping")
    try:
        return _parsed(tomllib.loads(Path(mapping).read_text(encoding="utf-8")), f"--map {mapping}")
    except OSError as error:
        raise UsageError(f"--map {mapping} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--map {mapping} is not valid TOML: {error}.") from error


def _parsed(document: Document, place: str) -> NameMap:
    unknown = [section for section in document if section not in _SECTIONS]
    if unknown:
        raise UsageError(f"{place}: there is no section [{unknown[0]}]{did_you_mean(unknown[0], _SECTIONS)}.")
    return NameMap(
        tables=_decisions(document.get("tables", {}), f"{place}, [tables]", _name_or_false),
        columns=_by_table(document, "columns", place, _name_or_false),
        types=_by_table(document, "types", place, _text),
        times=_by_table(document, "times", place, _text),
        repairs=_repairs(document.get("repair", {}), f"{place}, [repair]"),
    )


def _repairs(found: object, place: str) -> tuple[Wish, ...]:
    """`nul = true`, `truncate = ["users.name"]`, `json-twice = "last"`."""
    wishes = []
    for name, value in _table_of(found, place).items():
        words = [value] if isinstance(value, str) else [] if value is True else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise UsageError(f"{place}, {name}: {value!r} is neither true nor a list of TABLE.COLUMN.")
        try:
            wishes.append(wish_of(name, words))
        except UsageError as error:
            raise UsageError(f"{place}: {error}") from None
    return tuple(wishes)


def _by_table(
    document: Document, section: str, place: str, read: Callable[[object, str], T]
) -> dict[str, Mapping[str, T]]:
    tables = _table_of(document.get(section, {}), f"{place}, [{section}]")
    return {name: _decisions(found, f"{place}, [{section}.{name}]", read) for name, found in tables.items()}


def _decisions(found: object, place: str, read: Callable[[object, str], T]) -> dict[str, T]:
    return {name: read(value, f"{place}, {name}") for name, value in _table_of(found, place).items()}


def _table_of(found: object, place: str) -> Document:
    if not isinstance(found, Mapping):
        raise UsageError(f"{place}: this is a section of names, not {found!r}.")
    return cast(Document, found)


def _name_or_false(value: object, place: str) -> str | None:
    if value is False:
        return None
    if isinstance(value, str) and value:
        return value
    raise UsageError(f"{place}: {value!r} is neither a name in the target nor false (left out).")


def _text(value: object, place: str) -> str:
    if isinstance(value, str) and value:
        return value
    raise UsageError(f"{place}: {value!r} is not a text.")
