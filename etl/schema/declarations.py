"""Takes the texts of CREATE TABLE and CREATE INDEX apart, for what SQLite's PRAGMAs do not tell.

That is: CHECKs, the expressions of generated columns, collations, the names of constraints, whether a foreign key is
deferrable, and an index's expressions and its WHERE.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.schema.expressions.parsing import tokens
from etl.schema.expressions.values import Refusal

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

PRIMARY_KEY: tuple[str, ...] = ()
_TABLE_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")


@dataclass(frozen=True)
class DeclaredCheck:
    """A CHECK: its name, if it has one, and what stands between its parentheses."""

    name: str | None
    expression: str


@dataclass(frozen=True)
class DeclaredForeignKey:
    """What PRAGMA foreign_key_list leaves out of a foreign key."""

    name: str | None
    deferrable: bool
    initially_deferred: bool


@dataclass(frozen=True)
class Declarations:
    """What a CREATE TABLE says beyond the PRAGMAs. Collations and expressions are by column name, the
    names of UNIQUE constraints by their columns' names in lower case, that of the primary key by `PRIMARY_KEY`."""

    checks: Sequence[DeclaredCheck] = ()
    foreign_keys: Sequence[DeclaredForeignKey] = ()
    collations: Mapping[str, str] = field(default_factory=dict)
    generated: Mapping[str, str] = field(default_factory=dict)
    key_names: Mapping[tuple[str, ...], str] = field(default_factory=dict)


@dataclass(frozen=True)
class IndexDeclaration:
    """The expressions of an index, one for each of its parts, without ASC, DESC and COLLATE; and its WHERE."""

    parts: Sequence[str]
    where: str | None


class UnreadableError(ValueError):
    """The text is not understood; what it says beyond the PRAGMAs is not known."""


def read_create_table(sql: str, columns: Sequence[str]) -> Declarations:
    """What CREATE TABLE says.

    :param sql: the statement as SQLite keeps it.
    :param columns: the names of the table's columns, in their order.
    :raises UnreadableError: where the text is not understood.
    """
    reader = _Reader(sql)
    checks: list[DeclaredCheck] = []
    keys: list[DeclaredForeignKey] = []
    collations: dict[str, str] = {}
    generated: dict[str, str] = {}
    key_names: dict[tuple[str, ...], str] = {}
    names = iter(columns)
    for piece in reader.pieces(reader.body()):
        column = None if reader.is_constraint(piece) else next(names, None)
        key_names |= reader.named_keys(piece, column)
        for clause, name, inside in reader.clauses(piece if column is None else piece[1:]):
            if clause == "CHECK":
                checks.append(DeclaredCheck(name, inside))
            elif clause == "REFERENCES":
                keys.append(_foreign_key(name, inside))
            elif clause == "COLLATE" and column is not None:
                collations[column] = inside.upper()
            elif clause == "AS" and column is not None:
                generated[column] = inside
    return Declarations(checks, keys, collations, generated, key_names)


def read_create_index(sql: str) -> IndexDeclaration:
    """What CREATE INDEX says.

    :param sql: the statement as SQLite keeps it.
    :raises UnreadableError: where the text is not understood.
    """
    reader = _Reader(sql)
    body = reader.body()
    parts = [reader.without_order(piece) for piece in reader.pieces(body)]
    rest = reader.behind(body)
    where = reader.text(rest[1:]) if rest and rest[0].text.upper() == "WHERE" else None
    return IndexDeclaration(parts, where)


def _foreign_key(name: str | None, words: str) -> DeclaredForeignKey:
    deferrable = "DEFERRABLE" in words and "NOT DEFERRABLE" not in words
    return DeclaredForeignKey(name, deferrable, deferrable and "INITIALLY DEFERRED" in words)


class _Reader:
    """The tokens of one statement; a word counts as such only where it is not quoted."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        try:
            self._tokens = tokens(sql)
        except Refusal as refusal:
            raise UnreadableError(str(refusal)) from refusal

    def body(self) -> "list[Token]":
        """What stands between the statement's first parenthesis and the one that closes it."""
        first = next((place for place, token in enumerate(self._tokens) if token.text == "("), None)
        if first is None:
            raise UnreadableError("there are no parentheses in it")
        return self._tokens[first + 1 : self._closing(self._tokens, first)]

    def behind(self, body: "Sequence[Token]") -> "list[Token]":
        """What follows the body's closing parenthesis."""
        last = self._tokens.index(body[-1])
        return self._tokens[last + 2 :]

    def pieces(self, body: "Sequence[Token]") -> "Iterator[list[Token]]":
        """The parts between commas."""
        piece: list[Token] = []
        depth = 0
        for token in body:
            depth += (token.text == "(") - (token.text == ")") if self._is_plain(token) else 0
            if token.text == "," and depth == 0 and self._is_plain(token):
                yield piece
                piece = []
            else:
                piece.append(token)
        if piece:
            yield piece

    def is_constraint(self, piece: "Sequence[Token]") -> bool:
        """Whether it is a constraint of the table; a column may bear such a name in quotes only."""
        return bool(piece) and self._word(piece[0]) in _TABLE_CONSTRAINTS

    def clauses(self, piece: "Sequence[Token]") -> Iterator[tuple[str, str | None, str]]:
        """(clause, the name of its constraint, its content) of those clauses that are of interest."""
        name: str | None = None
        place = 0
        while place < len(piece):
            word = self._word(piece[place])
            following = place + 1
            if word == "CONSTRAINT" and following < len(piece):
                name = piece[following].text
                place = following + 1
                continue
            if piece[place].text == "(" and self._is_plain(piece[place]):
                place = self._closing(piece, place) + 1
                continue
            if word in ("CHECK", "AS") and following < len(piece) and piece[following].text == "(":
                end = self._closing(piece, following)
                yield word, name, self.text(piece[following + 1 : end])
                place = end + 1
                name = None
                continue
            if word == "COLLATE" and following < len(piece):
                yield word, name, piece[following].text
            if word == "REFERENCES":
                yield word, name, " ".join(self._word(token) or "" for token in self._key_words(piece[following:]))
            if word in ("REFERENCES", "UNIQUE", "NULL", "DEFAULT"):
                name = None
            place = following

    def named_keys(self, piece: "Sequence[Token]", column: str | None) -> dict[tuple[str, ...], str]:
        """The names of the UNIQUE constraints and the primary key among the clauses of a column or of the table."""
        found: dict[tuple[str, ...], str] = {}
        for place in range(len(piece) - 2):
            kind = self._word(piece[place + 2]) or ""
            if self._word(piece[place]) != "CONSTRAINT" or not kind.startswith(("UNIQUE", "PRIMARY")):
                continue
            columns = [column] if column is not None else self._listed(piece, place + 3)
            key = tuple(each.lower() for each in columns) if kind == "UNIQUE" else PRIMARY_KEY
            found[key] = piece[place + 1].text
        return found

    def _listed(self, piece: "Sequence[Token]", first: int) -> list[str]:
        """The names between the parentheses that open at `first`."""
        if first >= len(piece) or piece[first].text != "(":
            return []
        return [part[0].text for part in self.pieces(piece[first + 1 : self._closing(piece, first)])]

    def without_order(self, piece: "Sequence[Token]") -> str:
        """An indexed expression without ASC, DESC and COLLATE at its end."""
        kept = list(piece)
        while kept and self._word(kept[-1]) in ("ASC", "DESC"):
            kept.pop()
        if len(kept) > 2 and self._word(kept[-2]) == "COLLATE":
            del kept[-2:]
        return self.text(kept)

    def text(self, piece: "Sequence[Token]") -> str:
        """The statement's own text of some tokens."""
        return self._sql[piece[0].start : piece[-1].end + 1] if piece else ""

    def _key_words(self, rest: "Sequence[Token]") -> "Iterator[Token]":
        """The words behind REFERENCES that belong to it, up to the next constraint."""
        before = None
        for token in rest:
            word = self._word(token) or ""
            if word in ("CONSTRAINT", "CHECK", "UNIQUE", "COLLATE", "REFERENCES") or word.startswith("PRIMARY"):
                return
            if word == "DEFAULT" and before != "SET":  # else it is the action SET DEFAULT
                return
            before = word
            yield token

    def _closing(self, piece: "Sequence[Token]", first: int) -> int:
        depth = 0
        for place in range(first, len(piece)):
            if self._is_plain(piece[place]):
                depth += (piece[place].text == "(") - (piece[place].text == ")")
            if depth == 0:
                return place
        raise UnreadableError("a parenthesis is not closed")

    def _word(self, token: "Token") -> str | None:
        return token.text.upper() if self._is_plain(token) else None

    def _is_plain(self, token: "Token") -> bool:
        return self._sql[token.start] not in "\"'`["
