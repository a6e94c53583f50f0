"""What is known of one table while its schema is derived."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from etl.core.evidence import ColumnEvidence
from etl.core.proposal import Choice, NotCarried, ObjectKind, ProposedConstraint
from etl.core.source_catalog import CatalogTable
from etl.core.source_tables import SourceTable, quoted
from etl.core.types import TargetType
from etl.derivation.columns import ChosenType
from etl.derivation.names import Names
from etl.schema.declarations import Declarations
from etl.schema.expressions import Column


@dataclass
class Draft:
    """A table on its way to a proposal. Columns are by their names in SQLite; `names` are those in PostgreSQL."""

    catalog: CatalogTable
    source: SourceTable
    declarations: Declarations
    name: str
    names: Mapping[str, str]
    evidence: Mapping[str, ColumnEvidence]
    types: dict[str, ChosenType]
    required: frozenset[str] = frozenset()
    generated: dict[str, str] = field(default_factory=dict)
    forms: Mapping[str, str] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    primary_key_name: str = ""
    unique: list[tuple[str, ...]] = field(default_factory=list)
    constraints: list[ProposedConstraint] = field(default_factory=list)
    constraint_names: Names = field(default_factory=Names)
    choices: list[Choice] = field(default_factory=list)
    not_carried: list[NotCarried] = field(default_factory=list)

    @property
    def sql_name(self) -> str:
        """The table's name in PostgreSQL, quoted."""
        return quoted(self.name)

    def type_of(self, column: str) -> TargetType:
        """The type chosen for a column."""
        return self.types[column].type

    def column_list(self, columns: Iterable[str]) -> str:
        """Columns as SQL: `"a", "b"`."""
        return ", ".join(quoted(self.names[column]) for column in columns)

    def spelled(self, column: str) -> str | None:
        """A column's name as the table spells it; SQLite tells upper and lower case not apart."""
        return next((name for name in self.names if name.lower() == column.lower()), None)

    def expression_columns(self, *, without_generated: bool = False) -> dict[str, Column]:
        """The columns as expressions see them."""
        left_out = self.declarations.generated if without_generated else ()
        return {column.name: self.column(column.name) for column in self.catalog.columns if column.name not in left_out}

    def column(self, name: str) -> Column:
        """One column as expressions see it."""
        declared = next(column.declared for column in self.catalog.columns if column.name == name)
        return Column(
            self.names[name],
            self.type_of(name).sql,
            declared,
            frozenset(self.evidence[name].storage),
            self.declarations.collations.get(name, "BINARY"),
            name in self.required,
            self.forms.get(name),
        )

    def lose(self, kind: ObjectKind, name: str, sql: str, reason: str) -> None:
        """Notes what is not carried."""
        self.not_carried.append(NotCarried(kind, self.catalog.name, name, sql, reason))

    def choose(
        self,
        kind: ObjectKind,
        column: str | None,
        declared: str,
        became: str,
        reason: str,
        *,
        values: int | None = None,
        row: str | None = None,
        ways_out: str = "",
    ) -> None:
        """Notes a choice."""
        choice = Choice(
            kind, self.catalog.name, column, declared, became, reason, values=values, row=row, ways_out=ways_out
        )
        self.choices.append(choice)

    def add_breakable(self, constraint: ProposedConstraint, column: str | None, rows: str) -> None:
        """Adds a constraint that rows of the source may break; where some do, the choice is noted.

        `rows`: which rows these are, in words.
        """
        self.constraints.append(constraint)
        if constraint.broken_rows:
            self.choose(
                constraint.kind,
                column,
                constraint.source_sql,
                "NOT VALID",
                f"{rows} are kept; PostgreSQL checks new rows only ({constraint.name})",
                values=constraint.broken_rows,
                ways_out=f"mend these rows, then ALTER TABLE … VALIDATE CONSTRAINT {quoted(constraint.name)}",
            )
