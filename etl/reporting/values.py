"""Values of the two sides as a report may show them: masked where secret, shortened, the difference marked."""

import unicodedata
from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import NamedTuple

import orjson

from etl.core.redaction import HIDDEN, is_secret
from etl.core.row_examples import RowExample
from etl.core.text import code_point, shortened, visible

SHOWN_AROUND = 24  # characters of context before and after a difference
SHOWN_CHANGE = 80
_NO_ROW = "no such row"


class Excerpt(NamedTuple):
    """A value around its difference to the other side; a secret has neither."""

    before: str
    changed: str
    after: str
    hidden: bool = False

    def __str__(self) -> str:
        return self.before + self.changed + self.after


_SECRET = Excerpt("", HIDDEN, "", hidden=True)


def written(value: object) -> str:
    """A JSON value in one line: text in quotes, NULL, whole rows as `column = value` with their secrets hidden."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {HIDDEN if is_secret(name) else written(part)}" for name, part in value.items())
    return orjson.dumps(value).decode()


def key_text(key: object, *, rowid: object = None) -> str:
    """A row's key: `id = 7`; columns named like secrets are hidden. Without a key, the row's id in SQLite if known."""
    if isinstance(key, Mapping) and key:
        return visible(shortened(written(key)))
    return "no key" if rowid is None else f"rowid {rowid}"


def example_key(example: RowExample) -> str:
    """What identifies the row of an example: its key, else its place in SQLite."""
    if example.key or example.rowid is not None:
        return key_text(example.key, rowid=example.rowid)
    return f"row {example.row_number:,}"


def example_values(example: RowExample) -> str:
    """The values at fault on one line; with their columns where there are several."""
    if len(example.values) == 1:
        return visible(next(iter(example.values.values())))
    return visible(", ".join(f"{name} = {value}" for name, value in example.values.items()))


def example_text(example: RowExample) -> str:
    """`id = 7: '0000-00-00'`."""
    return ": ".join(filter(None, (example_key(example), example_values(example))))


def excerpts(source: object, target: object, *, column: str | None, row_lacking: bool) -> tuple[Excerpt, Excerpt]:
    """Both sides of a difference, each cut down to the surroundings of what differs.

    `row_lacking`: a side that is None is not NULL there, but has no such row.
    """
    # The target's values come as text, whatever their type: quotes would tell them from numbers where nothing differs.
    bare = isinstance(source, int | float) and isinstance(target, str)
    left, right = _side(source, row_lacking), str(target) if bare else _side(target, row_lacking)
    if column is not None and is_secret(column):
        return _masked(source, left), _masked(target, right)
    if row_lacking:
        return Excerpt(visible(shortened(left)), "", ""), Excerpt(visible(shortened(right)), "", "")
    start = _common(left, right)
    end = min(_common(left[::-1], right[::-1]), len(left) - start, len(right) - start)
    style = _style(left, right)
    return _cut(left, start, end, style), _cut(right, start, end, style)


def _side(value: object, row_lacking: bool) -> str:
    return _NO_ROW if value is None and row_lacking else written(value)


def _masked(value: object, text: str) -> Excerpt:
    return Excerpt(text, "", "") if value is None else _SECRET


def _common(left: str, right: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))


def _style(left: str, right: str) -> Callable[[str], str]:
    """What it takes to see the difference: code points where both sides look alike, spaces where only they differ."""
    if unicodedata.normalize("NFC", left) == unicodedata.normalize("NFC", right):
        return lambda text: "".join(letter if letter.isascii() else code_point(letter) for letter in text)
    if "".join(left.split()) == "".join(right.split()):
        return lambda text: text.replace(" ", "␣")
    return str


def _cut(text: str, start: int, end: int, style: Callable[[str], str]) -> Excerpt:
    before, changed, after = text[:start], text[start : len(text) - end], text[len(text) - end :]
    if len(before) > 2 * SHOWN_AROUND:
        before = "…" + before[-SHOWN_AROUND:]
    if len(after) > 2 * SHOWN_AROUND:
        after = after[:SHOWN_AROUND] + "…"
    return Excerpt(visible(before), visible(style(shortened(changed, SHOWN_CHANGE))), visible(after))
