"""Arrays, ranges, multiranges and composites in PostgreSQL's own text form; each part is held to its own type's rules.

The text goes to the server as it stands. What is checked here is that the server reads the same parts out of it, and
that none of them is bent on the way.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from etl.conversion.casts.cells import VALUE, Cells, Refusal, RefusalError, mask_of, where
from etl.core.rejects import RejectRule
from etl.core.types import Kind, TargetType

NOT_ARRAY = Refusal(RejectRule.NOT_IN_FORM, f"{VALUE} is not an array in PostgreSQL's form, such as {{1,2}}")
NOT_RANGE = Refusal(RejectRule.NOT_IN_FORM, f"{VALUE} is not a range in PostgreSQL's form, such as [1,5)")
NOT_COMPOSITE = Refusal(RejectRule.NOT_IN_FORM, f"{VALUE} is not a row in PostgreSQL's form, such as (1,a)")
MOST_DIMENSIONS = 6
_SPACE = " \t\n\r\v\f"

Part = tuple[str, TargetType]
"""A part's text and its type; parts that are NULL are left out."""

TextCast = Callable[[pa.Array, TargetType], Cells]


def nested_from_text(values: pa.Array, target: TargetType, *, cast: TextCast) -> Cells:
    """Texts of a type that is made of others; `cast` holds the parts to their own types."""
    distinct = values.dictionary_encode()
    faults: dict[int, Refusal] = {}
    owners: dict[TargetType, list[tuple[int, str]]] = {}
    for place, text in enumerate(distinct.dictionary.to_pylist()):
        try:
            for part, type_ in parts_of(text, target):
                owners.setdefault(type_, []).append((place, part))
        except RefusalError as refusal:
            faults[place] = refusal.refusal
    for type_, parts in owners.items():
        found = cast(pa.array([part for _, part in parts], pa.string()), type_)
        for position, fault in found.faults.items():
            words = f"in {VALUE}: " + fault.words.replace(VALUE, "a part")
            faults.setdefault(parts[position][0], Refusal(fault.code, words))
    if not faults:
        return Cells(values)
    codes = distinct.indices.to_numpy(zero_copy_only=False)
    wrong = mask_of(values.is_valid()) & np.isin(codes, list(faults))
    by_position = {position: faults[int(codes[position])] for position in np.flatnonzero(wrong).tolist()}
    return Cells(where(pa.array(~wrong), values), by_position)


def parts_of(text: str, target: TargetType) -> Iterator[Part]:
    """The parts of a text; RefusalError where it has not the form of its type."""
    if target.kind is Kind.ARRAY and target.element is not None:
        return ((part, target.element) for part in _array(text, target.element))
    if target.kind is Kind.COMPOSITE:
        return _composite(text, [type_ for _, type_ in target.fields])
    if target.subtype is None:
        raise TypeError(f"{target.sql} has no parts")
    ranges = _ranges(text) if target.kind is Kind.MULTIRANGE else [text]
    return (bound for one in ranges for bound in _bounds(one, target.subtype))


@dataclass
class _Reader:
    """A text and how far it is read."""

    text: str
    reason: Refusal
    place: int = 0

    def peek(self) -> str:
        return self.text[self.place : self.place + 1]

    def take(self) -> str:
        character = self.peek()
        if not character:
            raise RefusalError(*self.reason)
        self.place += 1
        return character

    def skip_space(self) -> None:
        while self.peek() and self.peek() in _SPACE:
            self.place += 1

    def expect(self, marks: str) -> str:
        if self.peek() not in marks or not self.peek():
            raise RefusalError(*self.reason)
        return self.take()

    def word(self, ends: str, *, doubled: bool) -> tuple[str, bool]:
        """A part up to one of `ends`, and whether it was quoted; `doubled`: two quotation marks mean one."""
        parts: list[str] = []
        quoted = False
        while self.peek() and self.peek() not in ends:
            character = self.take()
            if character == '"':
                quoted = True
                parts.append(self._quoted(doubled=doubled))
            else:
                parts.append(self.take() if character == "\\" else character)
        return "".join(parts), quoted

    def _quoted(self, *, doubled: bool) -> str:
        parts: list[str] = []
        while True:
            character = self.take()
            if character == '"':
                if not (doubled and self.peek() == '"'):
                    return "".join(parts)
                self.take()
            parts.append(self.take() if character == "\\" else character)


def _array(text: str, element: TargetType) -> list[str]:
    """The elements, those of inner arrays too; every dimension as long as its neighbours, as PostgreSQL wants it."""
    reader = _Reader(text, NOT_ARRAY)
    elements: list[str] = []
    _dimension(reader, element, elements, 1)
    if reader.peek():
        raise RefusalError(*NOT_ARRAY)
    return elements


def _dimension(reader: _Reader, element: TargetType, elements: list[str], depth: int) -> tuple[int, ...]:
    """The lengths of the dimensions from here on."""
    reader.expect("{")
    if depth > MOST_DIMENSIONS:
        raise RefusalError(*NOT_ARRAY)
    if reader.peek() == "}":
        reader.take()
        return (0,)
    shapes: set[tuple[int, ...]] = set()
    count = 0
    while True:
        reader.skip_space()
        inner = reader.peek() == "{"
        shapes.add(_dimension(reader, element, elements, depth + 1) if inner else _element(reader, elements))
        count += 1
        reader.skip_space()
        if reader.expect(",}") == "}":
            break
    if len(shapes) > 1:
        raise RefusalError(RejectRule.NOT_IN_FORM, f"{VALUE} has inner arrays of different lengths")
    return (count, *shapes.pop())


def _element(reader: _Reader, elements: list[str]) -> tuple[int, ...]:
    word, quoted = reader.word(",{}", doubled=False)
    if not quoted:
        word = word.strip(_SPACE)  # around an element that is not quoted it means nothing
        if not word:
            raise RefusalError(*NOT_ARRAY)
    if quoted or word.upper() != "NULL":
        elements.append(word)
    return ()


def _composite(text: str, types: Sequence[TargetType]) -> Iterator[Part]:
    reader = _Reader(text, NOT_COMPOSITE)
    reader.expect("(")
    parts: list[tuple[str, bool]] = []
    while True:
        parts.append(reader.word(",)", doubled=True))
        if reader.expect(",)") == ")":
            break
    if reader.peek() or len(parts) != len(types):
        raise RefusalError(RejectRule.NOT_IN_FORM, f"{VALUE} has {len(parts)} fields, the column takes {len(types)}")
    for (part, quoted), type_ in zip(parts, types, strict=True):
        if part or quoted:
            yield part, type_


def _bounds(text: str, subtype: TargetType) -> Iterator[Part]:
    if text.lower() == "empty":
        return
    reader = _Reader(text, NOT_RANGE)
    reader.expect("[(")
    for ends in (",", "])"):
        part, quoted = reader.word(ends, doubled=True)
        reader.expect(ends)
        if part or quoted:
            yield part, subtype
    if reader.peek():
        raise RefusalError(*NOT_RANGE)


def _ranges(text: str) -> list[str]:
    """The ranges of `{[1,2),[3,4)}`."""
    if not (text.startswith("{") and text.endswith("}")):
        raise RefusalError(*NOT_RANGE)
    reader = _Reader(text[1:-1], NOT_RANGE)
    found: list[str] = []
    while reader.peek():
        if found:
            reader.expect(",")
        start = reader.place
        if reader.text[start : start + 5].lower() == "empty":
            reader.place += 5
        else:
            reader.expect("[(")
            reader.word(",", doubled=True)
            reader.expect(",")
            reader.word("])", doubled=True)
            reader.expect("])")
        found.append(reader.text[start : reader.place])
    return found
