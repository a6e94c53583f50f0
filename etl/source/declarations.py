"""Reads the texts of CREATE TABLE and CREATE INDEX for what no PRAGMA tells: expressions, names of constraints,
collations, and when a foreign key is checked.

It is a reader of tokens, not of SQL: expressions are taken as they stand. SQLite has accepted the text before, so that
only its structure is looked for.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
      | (?P<string>'(?:[^']|'')*')
      | (?P<number>\.?[0-9](?:[eE][+-]|[\w.])*)
      | (?P<word>[^\W\d][\w$]*)
      | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_TABLE_WORDS = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})


@dataclass(frozen=True)
class Token:
    """A token and where it stands; `word` is an unquoted word in upper case, '' for everything else."""

    text: str
    start: int
    end: int
    kind: str

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """The name that the token is, without its quotes."""
        if self.kind == "word":
            return self.text
        mark = self.text[:1]
        if mark in ('"', "`", "'"):
            return self.text[1:-1].replace(mark * 2, mark)
        return self.text[1:-1] if mark == "[" else self.text


@dataclass
class DeclaredKey:
    """A UNIQUE or PRIMARY KEY with its name, if it has one."""

    name: str | None
    columns: tuple[str, ...]


@dataclass
class DeclaredReference:
    """A foreign key's name and its DEFERRABLE clause."""

    name: str | None
    deferrable: str


@dataclass
class Declaration:
    """What the text of a CREATE TABLE says beyond the PRAGMAs; columns by their name in lower case."""

    checks: list[tuple[str | None, str]] = field(default_factory=list)
    references: list[DeclaredReference] = field(default_factory=list)
    uniques: list[DeclaredKey] = field(default_factory=list)
    primary_key: DeclaredKey | None = None
    autoincrement: bool = False
    collations: dict[str, str] = field(default_factory=dict)
    generated: dict[str, str] = field(default_factory=dict)


@dataclass
class IndexDeclaration:
    """The texts of an index: its parts without their order and collation, and its condition."""

    parts: list[str]
    where: str | None


def tokens(sql: str) -> list[Token]:
    """The tokens without space and comments."""
    return [
        Token(found[0], found.start(), found.end(), str(found.lastgroup))
        for found in _TOKEN.finditer(sql)
        if found.lastgroup != "space"
    ]


def read_table(sql: str) -> Declaration:
    """What a CREATE TABLE says; nothing for the text of CREATE TABLE … AS, which SQLite does not keep."""
    found = Declaration()
    all_tokens = tokens(sql)
    opening = next((place for place, token in enumerate(all_tokens) if token.text == "("), len(all_tokens))
    body = all_tokens[opening + 1 : _closing(all_tokens, opening)]
    for part in _separated(body):
        if part[0].word in _TABLE_WORDS:
            _Reader(sql, part, found, None).read()
        else:
            _Reader(sql, part[1:], found, part[0].name).read()
    return found


def read_index(sql: str) -> IndexDeclaration:
    """What a CREATE INDEX says."""
    all_tokens = tokens(sql)
    on = next(place for place, token in enumerate(all_tokens) if token.word == "ON")
    opening = next(place for place in range(on, len(all_tokens)) if all_tokens[place].text == "(")
    closing = _closing(all_tokens, opening)
    parts = [_text(sql, _without_order(part)) for part in _separated(all_tokens[opening + 1 : closing])]
    rest = [token for token in all_tokens[closing + 1 :] if token.text != ";"]
    where = _text(sql, rest[1:]) if rest and rest[0].word == "WHERE" else None
    return IndexDeclaration(parts, where)


class _Reader:
    """Reads one column's definition, or one constraint of the table (column None)."""

    def __init__(self, sql: str, part: Sequence[Token], found: Declaration, column: str | None) -> None:
        self._sql = sql
        self._part = part
        self._found = found
        self._column = column
        self._name: str | None = None
        self._place = 0

    def read(self) -> None:
        """Goes through the part; what stands in parentheses is passed over as a whole."""
        handlers: dict[str, Callable[[], object]] = {
            "CONSTRAINT": self._named,
            "CHECK": self._check,
            "UNIQUE": self._unique,
            "PRIMARY": self._primary_key,
            "REFERENCES": self._reference,
            "DEFAULT": self._default,
            "COLLATE": self._collate,
            "AS": self._generated,
            "AUTOINCREMENT": self._autoincrement,
            "NULL": self._taken_name,
        }
        while self._place < len(self._part):
            token = self._part[self._place]
            self._place += 1
            if token.text == "(":
                self._place = _closing(self._part, self._place - 1) + 1
            elif token.word in handlers:
                handlers[token.word]()

    def _next(self) -> Token | None:
        return self._part[self._place] if self._place < len(self._part) else None

    def _group(self) -> Sequence[Token] | None:
        """The tokens of the parentheses that open here, which are passed."""
        token = self._next()
        if token is None or token.text != "(":
            return None
        closing = _closing(self._part, self._place)
        inner = self._part[self._place + 1 : closing]
        self._place = closing + 1
        return inner

    def _taken_name(self) -> str | None:
        name, self._name = self._name, None
        return name

    def _named(self) -> None:
        token = self._next()
        if token is not None:
            self._name = token.name
            self._place += 1

    def _check(self) -> None:
        inner = self._group()
        if inner is not None:
            self._found.checks.append((self._taken_name(), _text(self._sql, inner)))

    def _key(self) -> DeclaredKey | None:
        name = self._taken_name()
        if self._column is not None:
            return DeclaredKey(name, (self._column,))
        inner = self._group()
        return None if inner is None else DeclaredKey(name, tuple(part[0].name for part in _separated(inner)))

    def _unique(self) -> None:
        key = self._key()
        if key is not None:
            self._found.uniques.append(key)

    def _primary_key(self) -> None:
        following = self._next()
        if following is not None and following.word == "KEY":
            self._place += 1
            self._found.primary_key = self._key()
            self._found.autoincrement |= any(token.word == "AUTOINCREMENT" for token in self._part)

    def _autoincrement(self) -> None:
        self._found.autoincrement = True

    def _reference(self) -> None:
        """Up to the end of its own clauses: the next constraint's first word ends it."""
        name = self._taken_name()
        self._place += 1  # the parent
        self._group()
        start = end = self._place
        words = [token.word for token in self._part]
        while end < len(words) and words[end] in ("ON", "MATCH"):
            end += 2 if words[end] == "MATCH" else _length_of_action(words, end)
        deferrable = ""
        if words[end : end + 1] == ["DEFERRABLE"] or words[end : end + 2] == ["NOT", "DEFERRABLE"]:
            last = end + words[end : end + 2].index("DEFERRABLE")
            if words[last + 1 : last + 2] == ["INITIALLY"]:
                last += 2
            deferrable = " ".join(words[end : last + 1])
            end = last + 1
        self._place = max(start, end)
        self._found.references.append(DeclaredReference(name, deferrable))

    def _default(self) -> None:
        if self._group() is None:
            token = self._next()
            self._place += 2 if token is not None and token.text in ("+", "-") else 1

    def _collate(self) -> None:
        token = self._next()
        if token is not None and self._column is not None:
            self._found.collations[self._column.lower()] = token.name
            self._place += 1

    def _generated(self) -> None:
        inner = self._group()
        if inner is not None and self._column is not None:
            self._found.generated[self._column.lower()] = _text(self._sql, inner)


def _length_of_action(words: Sequence[str], start: int) -> int:
    """ON DELETE CASCADE is three words, ON DELETE SET NULL and NO ACTION are four; ON CONFLICT's are three."""
    return 4 if words[start + 2 : start + 3] in (["SET"], ["NO"]) else 3


def _closing(part: Sequence[Token], opening: int) -> int:
    """The place of the parenthesis that closes the one at `opening`."""
    depth = 0
    for place in range(opening, len(part)):
        depth += {"(": 1, ")": -1}.get(part[place].text, 0)
        if depth == 0:
            return place
    return len(part)


def _separated(part: Sequence[Token]) -> Iterator[list[Token]]:
    """The parts between the commas outside of parentheses."""
    current: list[Token] = []
    depth = 0
    for token in part:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            if current:
                yield current
            current = []
        else:
            current.append(token)
    if current:
        yield current


def _without_order(part: list[Token]) -> list[Token]:
    if len(part) > 1 and part[-1].word in ("ASC", "DESC"):
        part = part[:-1]
    if len(part) > 2 and part[-2].word == "COLLATE":
        part = part[:-2]
    return part


def _text(sql: str, part: Sequence[Token]) -> str:
    return sql[part[0].start : part[-1].end] if part else ""
