"""Takes arrays, rows and ranges in PostgreSQL's text form apart; what the parts mean is for others to read.

A small scanner over marks: quoted stretches and escaped characters are text, everything else is told by the marks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from etl.comparison.meaning import MeaninglessError

_SPACE = " \t\n\r\v\f"
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


@dataclass
class _Stretch:
    """A text between two marks, as far as it is read, and where what is quoted or escaped in it begins and ends."""

    characters: list[str] = field(default_factory=list)
    first_kept: int | None = None
    end_kept: int = 0

    def add(self, character: str, *, kept: bool) -> None:
        self.characters.append(character)
        if kept:
            self.end_kept = len(self.characters)
            self.first_kept = self.end_kept - 1 if self.first_kept is None else self.first_kept

    def quote(self) -> None:
        """A quotation mark: what is between two stands for itself, and be it nothing."""
        self.end_kept = len(self.characters)
        self.first_kept = self.end_kept if self.first_kept is None else self.first_kept

    def done(self, *, trimmed: bool) -> Iterator[_Mark]:
        """The text, if there is any; `trimmed`: white space around it means nothing."""
        first = len(self.characters) if self.first_kept is None else self.first_kept
        before, after = "".join(self.characters[:first]), "".join(self.characters[max(first, self.end_kept) :])
        if trimmed:
            before, after = before.lstrip(_SPACE), after.rstrip(_SPACE)
            before = before.rstrip(_SPACE) if self.first_kept is None else before
        text = before + "".join(self.characters[first : self.end_kept]) + after
        if text or self.first_kept is not None:
            yield _Mark(text, self.first_kept is None)


def _scan(text: str, marks: str, *, is_array: bool = False) -> Iterator[_Mark]:
    """Marks one by one, and between them the texts; a text that was quoted in part is not plain.

    White space around an element of an array means nothing; elsewhere two quotation marks within quotes are one.
    """
    stretch = _Stretch()
    quoted = escaped = skip = False
    for place, character in enumerate(text):
        if skip:
            skip = False
        elif escaped:
            stretch.add(character, kept=True)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"' and quoted and not is_array and text[place + 1 : place + 2] == '"':
            stretch.add('"', kept=True)
            skip = True
        elif character == '"':
            stretch.quote()
            quoted = not quoted
        elif character in marks and not quoted:
            yield from stretch.done(trimmed=is_array)
            stretch = _Stretch()
            yield _Mark(character, plain=True)
        else:
            stretch.add(character, kept=quoted)
    if quoted or escaped:
        raise MeaninglessError
    yield from stretch.done(trimmed=is_array)


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
    for mark in _scan(text, "{},", is_array=True):
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
            if after_item or len(stack) == 1:
                raise MeaninglessError
            stack[-1].append(None if mark.plain and mark.text.upper() == "NULL" else mark.text)
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
    for mark in _scan(text[1:-1], ",()"):
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
    for mark in _scan(text[1:-1], ",[]()"):
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
