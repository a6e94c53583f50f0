"""A map to begin with: written where a run stops since names do not meet, with ranked guesses and their evidence.

Nothing in it is a decision: every guess stands in a comment, since data could contradict it.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from etl.core.name_map import NameMap
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetTable
from etl.core.text import counted
from etl.planning.declared_types import added_type
from etl.planning.matching import letters_and_digits, match_names

SHOWN_GUESSES = 3
LEAST_SCORE = 0.45  # below it a guess is noise: unrelated names of six letters reach 0.3 to 0.4
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Guess:
    """A possible counterpart; `score` from 0 to 1, `evidence` in words."""

    target: str
    score: float
    evidence: str


def guess_tables(table: SourceTable, open_targets: Mapping[str, TargetTable]) -> list[Guess]:
    """Tables of the target that may be the counterpart of `table`, the likeliest first."""
    guesses = []
    for name, other in open_targets.items():
        shared = len(match_names(table.column_names, [column.name for column in other.columns]).pairs)
        share = shared / max(len(table.columns), len(other.columns), 1)
        score = 0.5 * likeness(table.name, name) + 0.5 * share
        verb = "has" if len(table.columns) == 1 else "have"
        evidence = f"{shared} of {counted(len(table.columns), 'column')} {verb} the same name"
        if other.rows_about is not None:
            evidence += f"; about {counted(other.rows_about, 'row')} in the target, {table.row_count:,} here"
        guesses.append(Guess(name, score, evidence))
    return _best(guesses)


def guess_columns(name: str, declared: str, types: Mapping[str, str]) -> list[Guess]:
    """Columns of the target that may be the counterpart of a column called `name`, the likeliest first.

    :param declared: the column's type as the source declares it.
    :param types: the types of the columns of the target that are open. The only one is a guess if its type fits,
        however unlike its name is.
    """
    expected = added_type(declared)
    guesses = []
    for other, found in types.items():
        score = likeness(name, other)
        if _family(found) == expected:
            alone = len(types) == 1
            evidence = f"{found} in the target, which fits {declared or 'no type'} here"
            evidence += "; the only column left there" if alone else ""
            guesses.append(Guess(other, max(score, LEAST_SCORE) if alone else score, evidence))
        else:
            guesses.append(Guess(other, score, f"{found} in the target, {declared or 'no type'} here"))
    return _best(guesses)


# What PostgreSQL calls the types of one family, beside the one that a declaration suggests.
_FAMILIES = {
    "character varying": "text",
    "character": "text",
    "smallint": "bigint",
    "integer": "bigint",
    "real": "double precision",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamptz",
    "json": "jsonb",
}


def _family(spelling: str) -> str:
    name = spelling.partition("(")[0].strip()
    return _FAMILIES.get(name, name)


def likeness(one: str, other: str) -> float:
    """How alike two names are, from 0 to 1: singular and plural are nearly the same."""
    left, right = letters_and_digits(one), letters_and_digits(other)
    if _singular(left) == _singular(right):
        return 0.95
    return difflib.SequenceMatcher(None, left, right).ratio()


def _singular(word: str) -> str:
    for ending, singular in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 1 and not word.endswith("ss"):
            return word.removesuffix(ending) + singular
    return word


def _best(guesses: Sequence[Guess]) -> list[Guess]:
    likely = [guess for guess in guesses if guess.score >= LEAST_SCORE]
    return sorted(likely, key=lambda guess: (-guess.score, guess.target))[:SHOWN_GUESSES]


@dataclass(frozen=True)
class Unpaired:
    """What a run could not pair: tables, columns of paired tables with their declared types, and their target's open
    columns with theirs; and what the user has decided already."""

    tables: Sequence[SourceTable]
    open_targets: Mapping[str, TargetTable]
    columns: Mapping[str, Mapping[str, str]]
    open_columns: Mapping[str, Mapping[str, str]]
    said: NameMap = field(default_factory=NameMap)


def starter_map(unpaired: Unpaired) -> str:
    """The text of a map file (TOML): what is decided already, and one commented line for each guess."""
    said = unpaired.said
    columns = dict.fromkeys([*said.columns, *unpaired.columns])
    return "\n".join(
        [
            "# Take away the # of the lines that are right. false leaves a table out, or drops a column and keeps its",
            "# values in a file of the report. Guesses are ranked, the likeliest first; none is taken by itself.",
            "",
            "[tables]",
            *_decided(said.tables),
            *(line for table in unpaired.tables for line in _table_lines(table, unpaired.open_targets)),
            *(line for table in columns for line in _column_lines(table, unpaired)),
            *_sections("types", said.types),
            *_sections("times", said.times),
            "",
        ]
    )


def _table_lines(table: SourceTable, open_targets: Mapping[str, TargetTable]) -> Iterator[str]:
    verb = "has" if table.row_count == 1 else "have"
    yield f"# {_comment(table.name)}: {counted(table.row_count, 'row')} {verb} no table in the target."
    for guess in guess_tables(table, open_targets):
        yield f"# {key(table.name)} = {_quoted(guess.target)}  # {guess.evidence}"
    yield f"# {key(table.name)} = false"


def _decided(decisions: Mapping[str, str | None]) -> Iterator[str]:
    """Lines that hold as they stand."""
    for name, value in decisions.items():
        yield f"{key(name)} = {'false' if value is None else _quoted(value)}"


def _sections(name: str, section: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for table, cells in section.items():
        yield ""
        yield f"[{name}.{key(table)}]"
        yield from _decided(cells)


def _column_lines(table: str, unpaired: Unpaired) -> Iterator[str]:
    yield ""
    yield f"[columns.{key(table)}]"
    yield from _decided(unpaired.said.columns_of(table))
    types = unpaired.open_columns.get(table, {})
    for name, declared in unpaired.columns.get(table, {}).items():
        for guess in guess_columns(name, declared, types):
            yield f"# {key(name)} = {_quoted(guess.target)}  # {_comment(guess.evidence)}"
        yield f"# {key(name)} = false"


def key(name: str) -> str:
    """`name` as a TOML key."""
    return name if _BARE_KEY.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
