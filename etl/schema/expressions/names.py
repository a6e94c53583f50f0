"""What a SELECT reads and gives: tables by their alias, and columns by their names in both databases."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from etl.schema.expressions.terms import Affinity, Sort, Term, column_term
from etl.schema.expressions.values import Column, Refusal, Table, identifier

_TYPES = {
    Sort.BOOLEAN: ("boolean", "BOOLEAN", "integer"),
    Sort.INTEGER: ("bigint", "INTEGER", "integer"),
    Sort.REAL: ("double precision", "REAL", "real"),
    Sort.DECIMAL: ("numeric", "NUMERIC", "real"),
    Sort.TEXT: ("text", "TEXT", "text"),
    Sort.BYTES: ("bytea", "BLOB", "blob"),
    Sort.DATE: ("date", "DATE", "text"),
}


@dataclass(frozen=True)
class Output:
    """A column that a SELECT gives: its name in SQLite, and here."""

    source: str
    target: str
    term: Term

    def outside(self) -> Column:
        """The column as other SELECTs see it."""
        inner = self.term.column
        if inner is not None:
            return replace(inner, name=self.target)
        type_, declared, storage = _TYPES.get(self.term.sort, ("unknown", "", "text"))
        bare = declared if self.term.affinity is not Affinity.NONE else ""
        return Column(self.target, type_, bare, frozenset({storage}), self.term.collation)


@dataclass(frozen=True)
class Query:
    sql: str
    columns: list[Output]

    def followed_by(self, tail: str) -> "Query":
        return Query(self.sql + tail, self.columns)


@dataclass
class Names:
    """The tables that a SELECT reads, in their order, and those of the SELECT around it."""

    tables: dict[str, Mapping[str, Term]] = field(default_factory=dict)
    outer: "Names | None" = None

    def add(self, alias: str, columns: Mapping[str, Column]) -> None:
        if alias.lower() in self.tables:
            raise Refusal(f"two tables are called {alias}")
        qualifier = identifier(alias.lower()) + "."
        self.tables[alias.lower()] = {name: column_term(column, qualifier) for name, column in columns.items()}

    def __call__(self, name: str, table: str | None) -> Term | None:
        searched = self.tables if table is None else {table.lower(): self.tables.get(table.lower(), {})}
        found = [
            term for columns in searched.values() for known, term in columns.items() if known.lower() == name.lower()
        ]
        if len(found) > 1:
            raise Refusal(f"the column {name} is in two tables")
        if found:
            return found[0]
        return self.outer(name, table) if self.outer is not None else None


@dataclass(frozen=True)
class Derived(Table):
    """A query that WITH names."""

    query: str = ""


def typed(term: Term) -> Term:
    """A column of a view needs a type of its own."""
    if term.sort is Sort.NULL:
        return Term("NULL::text", Sort.NULL)
    if term.sort is Sort.STORAGE_CLASS:
        word = f"CASE WHEN {term.operand} IS NULL THEN 'null' ELSE '{term.collation}' END"
        return Term(word, Sort.TEXT)
    if term.sort in (Sort.JSON_VALUE, Sort.JSON_TYPE):
        raise Refusal("a value out of JSON is a number or a text from row to row")
    if term.literal is not None and term.sort is Sort.TEXT:
        return replace(term, sql=f"{term.sql}::text")
    if term.literal is not None and term.sort in (Sort.INTEGER, Sort.REAL):
        return Term(term.as_("bigint" if term.sort is Sort.INTEGER else "double precision"), term.sort)
    return term


def keeps_name(output: Output) -> bool:
    """Whether the column has its table's name for it: no alias was written."""
    return output.term.column is not None and output.source.lower() == output.term.column.name.lower()


def named(column: Output) -> Term:
    return replace(column.term, sql=identifier(column.target), atom=True)


def same_form(first: Term, second: Term) -> None:
    """Refuses columns that two SELECTs give in different forms."""
    if first.sort is not second.sort or first.sort is Sort.OPAQUE:
        raise Refusal(f"one SELECT gives {first.sort.value} where another gives {second.sort.value}")
