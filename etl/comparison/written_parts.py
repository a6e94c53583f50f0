"""Takes arrays, rows and ranges in PostgreSQL's text form apart; what the parts mean is for others to read.

A small scanner over marks: quoted stretches and escaped characters are text, everything else is told by the marks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from etl.comparison.meaning import MeaninglessError

_BOUND = re.compile(r"\[([+-]?[0-9]{1,10}):([+-]?[0-9]{1,10})\]")
_MORE_BRACKETS = re.compile(r"\s*((?:\[[+-]?[0-9]{1,10}:[+-]?[0-9]{1,10}\])+)\s*=\s*")


@dataclass(frozen=True)
class RangeParts:
    """The bounds' texts (None: without bound) and whether each belongs to the range."""

    bounds: tuple[str | None, str | None]
    low_in: bool
    high_in: bool


@dataclass(frozen=True)
class _Mark:
    """One character outside of quotes, or a stretch of text."""

    text: str
    plain: bool  # not quoted, not escaped


def _scan(text: str, marks: str, *, doubled: bool) -> Iterator[_Mark]:
    """Marks one by one, and between them the texts; a text that was quoted in part is not plain."""
    collected: list[str] = []
    plain, quoted, escaped, skip = True, False, False, False
    for place, character in enumerate(text):
        if skip:
            skip = False
        elif escaped:
            collected.append(character)
            escaped = False
        elif character == "\\":
            escaped, plain = True, False
        elif character == '"':
            if quoted and doubled and text[place + 1 : place + 2] == '"':
                collected.append('"')
                skip = True
            else:
                quoted, plain = not quoted, False
        elif character in marks and not quoted:
            if collected or not plain:
                yield _Mark("".join(collected), plain)
            collected, plain = [], True
            yield _Mark(character, plain=True)
        else:
            collected.append(character)
    if quoted or escaped:
        raise MeaninglessError
    if collected or not plain:
        yield _Mark("".join(collected), plain)


def split_array(text: str) -> tuple[tuple[int, ...], list[object]]:
    """The lower bounds of an array's dimensions (none where all are 1) and its elements, inner arrays as lists; None
    for NULL."""
    found = _MORE_BRACKETS.match(text)
    if found is None:
        return (), _elements(text)
    bounds = [(int(low), int(high)) for low, high in _BOUND.findall(found[1])]
    elements = _elements(text[found.end() :])
    if [high - low + 1 for low, high in bounds] != _lengths(elements):
        raise MeaninglessError
    lowest = tuple(low for low, _ in bounds)
    return (() if set(lowest) == {1} else lowest), elements


def _lengths(elements: object) -> list[int]:
    """The lengths of the dimensions."""
    return [len(elements), *_lengths(elements[0] if elements else None)] if isinstance(elements, list) else []


def _elements(text: str) -> list[object]:
    stack: list[list[object]] = [[]]
    after_item = False
    for mark in _scan(text, "{},", doubled=False):
        if mark.plain and mark.text == "{":
            if after_item:
                raise MeaninglessError
            stack.append([])
        elif mark.plain and mark.text == "}":
            if len(stack) == 1 or (stack[-1] and not after_item):
                raise MeaninglessError
            done = stack.pop()
            stack[-1].append(done)
            after_item = True
        elif mark.plain and mark.text == ",":
            if not after_item or len(stack) == 1:
                raise MeaninglessError
            after_item = False
        else:
            word = mark.text.strip(" \t\n\r\v\f") if mark.plain else mark.text
            if not word and mark.plain:
                continue  # between marks, where it means nothing
            if after_item or len(stack) == 1:
                raise MeaninglessError
            stack[-1].append(None if mark.plain and word.upper() == "NULL" else word)
            after_item = True
    if len(stack) != 1 or len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise MeaninglessError
    found: list[object] = stack[0][0]
    return found


def split_row(text: str) -> list[str | None]:
    """The fields of a row; None for NULL, which is written as nothing."""
    if not (text.startswith("(") and text.endswith(")")):
        raise MeaninglessError
    fields: list[str | None] = [None]
    for mark in _scan(text[1:-1], ",()", doubled=True):
        if mark.plain and mark.text == ",":
            fields.append(None)
        elif (mark.plain and mark.text in "()") or fields[-1] is not None:
            raise MeaninglessError
        else:
            fields[-1] = mark.text
    return fields


def split_range(text: str) -> RangeParts | None:
    """The bounds of a range; None where it says that it is empty."""
    if text.lower() == "empty":
        return None
    if len(text) < 3 or text[0] not in "[(" or text[-1] not in "])":
        raise MeaninglessError
    bounds: list[str | None] = [None]
    for mark in _scan(text[1:-1], ",[]()", doubled=True):
        if mark.plain and mark.text == ",":
            bounds.append(None)
        elif (mark.plain and mark.text in "[]()") or bounds[-1] is not None:
            raise MeaninglessError
        else:
            bounds[-1] = mark.text
    if len(bounds) != 2:
        raise MeaninglessError
    return RangeParts((bounds[0], bounds[1]), text[0] == "[", text[-1] == "]")


def ranges_of(text: str) -> list[str]:
    """The texts of the ranges in a multirange."""
    if not (text.startswith("{") and text.endswith("}")):
        raise MeaninglessError
    found: list[str] = []
    start, quoted, escaped, depth = 1, False, False, 0
    for place, character in enumerate(text[1:-1], start=1):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif not quoted and character in "[(":
            depth += 1
        elif not quoted and character in "])":
            depth -= 1
        elif not quoted and character == "," and depth == 0:
            found.append(text[start:place])
            start = place + 1
    rest = text[start:-1]
    return [*found, rest] if found or rest else []
