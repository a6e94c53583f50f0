"""Comparisons, by SQLite's rules of affinity and collation.

Where PostgreSQL's rules say the same of every value, they are used; where they do not, the comparison refuses.
"""

import re
from dataclasses import replace
from datetime import datetime

from etl.schema.expressions.terms import NUMBERS, Affinity, Sort, Term, compound, number, text
from etl.schema.expressions.values import Column, Refusal, text_literal

ORDERING = frozenset({"<", "<=", ">", ">="})
_NULL_SAFE = {"IS NOT DISTINCT FROM": "IS", "IS DISTINCT FROM": "IS NOT"}
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_LOOKS_NUMERIC = re.compile(r"\s*[+-]?(\d|\.\d)")
_SAFE_DIGITS = 15  # decimal digits that a double keeps


def compare(operator: str, left: Term, right: Term) -> Term:
    """One comparison: =, <>, <, <=, >, >=, IS [NOT] DISTINCT FROM."""
    left, right = _same_affinity(left, right), _same_affinity(right, left)
    if Sort.NULL in (left.sort, right.sort):
        return _with_null(operator, left, right)
    if left.sort in NUMBERS and right.sort in NUMBERS:
        return _numbers(operator, left, right)
    if left.sort is right.sort is Sort.TEXT:
        return _texts(operator, left, right)
    if left.sort is right.sort is Sort.BYTES:
        return _written(left.operand, operator, right.operand)
    if {left.sort, right.sort} & {Sort.DATE, Sort.TIME}:
        return _times(operator, left, right)
    if Sort.STORAGE_CLASS in (left.sort, right.sort):
        return _storage_class(operator, left, right)
    if {left.sort, right.sort} & {Sort.JSON_VALUE, Sort.JSON_TYPE}:
        return _json(operator, left, right)
    raise Refusal(f"{_called(left)} is compared with {_called(right)}")


def _storage_class(operator: str, left: Term, right: Term) -> Term:
    """typeof() beside a word: true for all values but NULL, for NULL alone, or for none."""
    term, word = (left, right.literal) if right.literal is not None else (right, left.literal)
    if operator not in ("=", "<>") or word is None:
        raise Refusal("typeof() is compared with what is no written word")
    negated = operator == "<>"
    if word not in ("null", term.collation):
        return Term("TRUE" if negated else "FALSE", Sort.BOOLEAN)
    return compound(f"{term.operand} {'IS' if (word == 'null') is not negated else 'IS NOT'} NULL", Sort.BOOLEAN)


_LOOKS_LIKE_JSON = re.compile(r"\s*([-+.\d\[{]|true|false|null)", re.IGNORECASE)
_JSON_TYPES = {"array": "array", "object": "object", "text": "string", "null": "null"}


def _json(operator: str, left: Term, right: Term) -> Term:
    """A value out of JSON beside a written text that no number, truth value, array or object is written like."""
    value, other = (left, right) if right.literal is not None else (right, left)
    if other.literal is None or other.sort is not Sort.TEXT or operator not in ("=", "<>"):
        raise Refusal("a value out of JSON is compared with what is no written text")
    word = other.literal
    if value.sort is Sort.JSON_TYPE and word in _JSON_TYPES:
        return _written(value.sql, operator, text_literal(_JSON_TYPES[word]))
    if value.sort is Sort.JSON_TYPE or _LOOKS_LIKE_JSON.match(word):
        raise Refusal(f"{other.sql} may stand for more than one value of JSON")
    return _written(value.sql, operator, other.sql)


def _written(left: str, operator: str, right: str) -> Term:
    found = compound(f"{left} {operator} {right}", Sort.BOOLEAN)
    return replace(found, equal=(left, right)) if operator == "=" else found


def _called(term: Term) -> str:
    if term.column is not None:
        return f"column {term.column.name} ({term.column.type})"
    return f"the {term.sort.value.split(maxsplit=1)[1]} {term.sql}" if term.literal is not None else term.sort.value


def _same_affinity(term: Term, other: Term) -> Term:
    """A literal as it is after the other side's affinity was applied to it."""
    if term.literal is None or other.literal is not None:
        return term
    if other.affinity is Affinity.TEXT and other.sort is Sort.TEXT and term.sort is Sort.INTEGER:
        return Term(text_literal(term.literal), Sort.TEXT, literal=term.literal)
    if other.affinity in (Affinity.NUMERIC, Affinity.REAL) and term.sort is Sort.TEXT:
        return _as_number(term, other)
    return term


def _as_number(term: Term, other: Term) -> Term:
    assert term.literal is not None
    if other.sort in NUMBERS and _INTEGER.fullmatch(term.literal):
        return Term(term.literal, Sort.INTEGER, literal=term.literal, atom=not term.literal.startswith("-"))
    if other.sort is Sort.TEXT and _LOOKS_NUMERIC.match(term.literal):
        raise Refusal(f"SQLite takes {term.sql} for a number beside {_called(other)}")
    return term


def _with_null(operator: str, left: Term, right: Term) -> Term:
    if operator not in _NULL_SAFE:
        return Term("NULL::boolean", Sort.BOOLEAN, atom=True)
    tested = right if left.sort is Sort.NULL else left
    return compound(f"{tested.operand} {_NULL_SAFE[operator]} NULL", Sort.BOOLEAN)


def _numbers(operator: str, left: Term, right: Term) -> Term:
    words = [term for term in (left, right) if term.literal is not None and term.sort is Sort.BOOLEAN]
    if operator in _NULL_SAFE and words and left.sort is not right.sort:
        raise Refusal("IS beside TRUE or FALSE asks for truth, not for equality")
    for flag, constant in ((left, right), (right, left)):
        if flag.sort is Sort.BOOLEAN and flag.literal is None and constant.literal in ("0", "1"):
            found = _flag(operator, flag, constant.literal == "1")
            if found is not None:
                return found
    if not left.sort is right.sort is Sort.BOOLEAN:
        left, right = number(left), number(right)
    left, right = _exact(left, right), _exact(right, left)
    return _written(left.operand, operator, right.operand)


def _flag(operator: str, flag: Term, wanted: bool) -> Term | None:
    """A boolean beside 0 or 1, as one writes it."""
    word = "TRUE" if wanted else "FALSE"
    if operator in _NULL_SAFE:
        return compound(f"{flag.operand} {_NULL_SAFE[operator]} {word}", Sort.BOOLEAN)
    if operator not in ("=", "<>"):
        return None
    if wanted is (operator == "="):
        return replace(flag.expression(), sql=flag.operand, atom=True)
    return compound(f"NOT {flag.operand}", Sort.BOOLEAN)


def _exact(term: Term, other: Term) -> Term:
    """The term beside a floating-point number; refuses where PostgreSQL rounds what SQLite compares as it is."""
    for literal in (term.literal, other.literal):
        if literal is not None and Sort.REAL in (term.sort, other.sort) and not _keeps(literal):
            raise Refusal(f"the number {literal} has more digits than floating point keeps")
    if other.sort is not Sort.REAL or Sort.REAL is term.sort or other.literal is not None or term.literal is not None:
        return term
    if term.sort is Sort.DECIMAL:
        return Term(term.as_("double precision"), Sort.REAL)
    raise Refusal(f"{_called(term)} is compared with {_called(other)}, and PostgreSQL rounds large integers there")


def _keeps(literal: str) -> bool:
    """Whether a number's text and its double order alike among all doubles."""
    mantissa = literal.lower().partition("e")[0]
    value = abs(float(literal))
    return len(re.sub(r"\D", "", mantissa).lstrip("0")) <= _SAFE_DIGITS and (value == 0 or 1e-290 < value < 1e290)


def _texts(operator: str, left: Term, right: Term) -> Term:
    collation = _collation(left, right)
    if collation not in ("BINARY", "NOCASE"):
        raise Refusal(f"the collation {collation} has no known equal in PostgreSQL")
    _plain_affinity(operator, left, right)
    first, second = left.operand, right.operand
    if collation == "NOCASE":
        first, second = folded(left), folded(right)
    elif operator in ORDERING:
        first = f'{first} COLLATE "C"'
    return _written(first, operator, second)


def _collation(left: Term, right: Term) -> str:
    """A written collation before a column's, the left side's before the right side's."""
    for term in (left, right):
        if term.explicit:
            return term.collation
    return left.collation if left.owns_collation else right.collation


def _plain_affinity(operator: str, left: Term, right: Term) -> None:
    """Refuses texts in a column of numeric affinity, unless they only meet literals that look like no number."""
    for term, other in ((left, right), (right, left)):
        numeric = term.affinity in (Affinity.NUMERIC, Affinity.REAL)
        if numeric and (other.literal is None or operator in ORDERING):
            raise Refusal(f"{_called(term)} is declared as a number in SQLite and compared as a text")


def folded(term: Term) -> str:
    """A text with its ASCII letters in lower case, which is all that SQLite folds."""
    if term.literal is not None:
        return text_literal(fold(term.literal))
    return f'lower({text(term)} COLLATE "C")'


def fold(value: str) -> str:
    """A text with its ASCII letters in lower case."""
    return "".join(character.lower() if character.isascii() else character for character in value)


def _times(operator: str, left: Term, right: Term) -> Term:
    if left.column is None and right.column is None:
        raise Refusal("points in time are compared in ways that the two databases do not share")
    if left.literal is not None or right.literal is not None:
        left, right = _time_literal(left, right), _time_literal(right, left)
    elif _form(left) is None or _form(left) != _form(right) or left.sort is not right.sort:
        raise Refusal(f"{_called(left)} is compared with {_called(right)}: SQLite compares the texts, of unequal form")
    return _written(left.operand, operator, right.operand)


def _form(term: Term) -> str | None:
    return "%Y-%m-%d" if term.sort is Sort.DATE else getattr(term.column, "form", None)


def _time_literal(term: Term, other: Term) -> Term:
    """A text beside a column of times of its own form, as a time."""
    if term.literal is None:
        return term
    form = _form(other)
    if term.sort is not Sort.TEXT or form is None or other.column is None:
        raise Refusal(f"{_called(other)} is compared with {_called(term)}, and its values' form is not known")
    try:
        moment = datetime.strptime(term.literal, form)
    except ValueError as error:
        raise Refusal(f"{_called(term)} is not of the form of {_called(other)}") from error
    if moment.strftime(form).zfill(len(term.literal)) != term.literal:
        raise Refusal(f"{_called(term)} is not of the form of {_called(other)}")
    return Term(_typed_literal(moment, other.column), other.sort, literal=term.literal)


def _typed_literal(moment: datetime, column: Column) -> str:
    if column.type.lower() == "date":
        return f"DATE '{moment.date().isoformat()}'"
    zoned = "with time zone" in column.type.lower() or column.type.lower().startswith("timestamptz")
    written = moment.replace(tzinfo=None).isoformat(sep=" ")
    return f"TIMESTAMPTZ '{written}+00'" if zoned else f"TIMESTAMP '{written}'"
