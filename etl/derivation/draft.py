"""A table on its way into the proposal: what is known of it, its names in the target, and what is to be said of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from etl.core.proposal import Choice, NotCarried, ObjectKind
from etl.core.types import Kind
from etl.derivation.names import Namespace
from etl.derivation.types import ChosenType, TableFacts
from etl.schema.expressions import Column
from etl.schema.sql_names import sql_name

LONGEST_KEY = 2_600  # bytes: PostgreSQL's B-tree takes no larger entries than 2,704
MOST_PARTS = 32


@dataclass
class Notes:
    """What differs from the declaration, and what is not carried."""

    choices: list[Choice] = field(default_factory=list)
    not_carried: list[NotCarried] = field(default_factory=list)


@dataclass
class Draft:
    """A table, its types and its names in the target: `columns` by the source's names.

    `relations`: names of the schema's tables, views and indexes; `constraints`: names of this table's constraints.
    """

    facts: TableFacts
    types: Mapping[str, ChosenType]
    name: str
    columns: Mapping[str, str]
    relations: Namespace
    constraints: Namespace
    notes: Notes
    known: dict[str, Column] = field(default_factory=dict)
    keys: set[frozenset[str]] = field(default_factory=set)  # target columns that are unique together

    @property
    def sql(self) -> str:
        """The table's name as SQL."""
        return sql_name(self.name)

    def column_name(self, source: str) -> str | None:
        """A column's name in the target by its name in the source, in any case; None where it is left out."""
        column = self.facts.table.column(source)
        return self.columns.get(column.name) if column is not None else None

    def type_of(self, source: str) -> ChosenType | None:
        """A column's type by its name in the source, in any case."""
        column = self.facts.table.column(source)
        return self.types.get(column.name) if column is not None else None

    def is_text(self, source: str) -> bool:
        """Whether PostgreSQL compares the column's values as texts."""
        chosen = self.type_of(source)
        return chosen is not None and chosen.type.kind is Kind.TEXT

    def most_bytes(self, sources: tuple[str, ...]) -> int:
        """The bytes that the largest values of these columns take together, at the most."""
        columns = [self.facts.table.column(source) for source in sources]
        return sum(self.facts.evidence.columns[column.name].most_bytes or 0 for column in columns if column is not None)

    def relation_name(self, wanted: str) -> str:
        """A name for an index, or for a constraint that makes one."""
        name = self.relations.name(wanted)
        self.constraints.taken.add(name)
        return name

    def choose(
        self, kind: ObjectKind, column: str | None, declared: str, became: str, reason: str, ways_out: str = ""
    ) -> None:
        """Notes a choice."""
        table = self.facts.table.name
        self.notes.choices.append(Choice(kind, table, column, declared, became, reason, ways_out=ways_out))

    def leave(self, kind: ObjectKind, name: str, sql: str, reason: str, rows: int | None = None) -> None:
        """Notes what is not carried."""
        self.notes.not_carried.append(NotCarried(kind, self.facts.table.name, name, sql, reason, rows))
