"""Repairs as people ask for them: `--repair nul`, `--repair truncate=users.name`, `repair=["json-twice=last"]`."""

from collections.abc import Collection, Iterable

from etl.core.errors import UsageError
from etl.core.repairs import JSON_TWICE, Repair, Wish
from etl.core.text import unknown_names

_CHOICES = {"first": Repair.JSON_TWICE_FIRST, "last": Repair.JSON_TWICE_LAST}
_TWICE = "json-twice"
NAMES = tuple(dict.fromkeys(_TWICE if repair in JSON_TWICE else str(repair) for repair in Repair))
"""What `--repair` knows."""


def read_wish(text: str) -> Wish:
    """A wish from its text: NAME, or NAME=TABLE.COLUMN,…; json-twice also has =first or =last.

    Raises `UsageError` for a repair that there is not, with the nearest one, and for what is no column.
    """
    name, _, rest = text.strip().partition("=")
    return wish_of(name.strip(), [part.strip() for part in rest.split(",") if part.strip()])


def wish_of(name: str, words: Collection[str]) -> Wish:
    """The same from a name and what is said of it."""
    if name == _TWICE:
        chosen = [word for word in words if word in _CHOICES]
        if len(chosen) != 1:
            raise UsageError("repair json-twice: say which of two equal keys wins, json-twice=first or =last.")
        return Wish(_CHOICES[chosen[0]], _places(name, [word for word in words if word not in _CHOICES]))
    if name not in NAMES:
        raise UsageError(unknown_names("there is no repair", [name], NAMES))
    return Wish(Repair(name), _places(name, words))


def _places(name: str, words: Collection[str]) -> tuple[str, ...]:
    for word in words:
        if "." not in word:
            raise UsageError(f"repair {name}: {word!r} is not TABLE.COLUMN.")
    return tuple(words)


def read_wishes(given: "str | Wish | Iterable[str | Wish]") -> tuple[Wish, ...]:
    """Several of them; a text is one."""
    if isinstance(given, str | Wish):
        given = (given,)
    return tuple(wish if isinstance(wish, Wish) else read_wish(wish) for wish in given)
