"""Views: SELECTs over known tables, clause by clause.

Names are resolved here and written with their table, so that nothing depends on how PostgreSQL would look for them.
What SQLite orders as binary texts is ordered by the collation "C".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from etl.schema.expressions import aggregates
from etl.schema.expressions.names import Derived, Names, Output, Query, keeps_name, named, same_form, typed
from etl.schema.expressions.parsing import describe, double_quoted, only, parse_statement
from etl.schema.expressions.terms import Sort, Term
from etl.schema.expressions.values import NotTranslatable, Refusal, Table, TranslatedView, identifier
from etl.schema.expressions.walker import Handler, Walker, unparenthesised

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

Rename = Callable[[str], str]


def translate_view(
    sql: str, tables: Mapping[str, Table], *, rename: Rename = str.lower
) -> TranslatedView | NotTranslatable:
    """A view's SELECT in PostgreSQL's words.

    Args:
        sql: the text of CREATE VIEW, or of a SELECT alone.
        tables: the tables and views that it may read, by their name in SQLite; upper and lower case are one.
        rename: how a column's name becomes one in PostgreSQL.

    Returns:
        The SELECT, for `CREATE VIEW … AS`, with a name for every column; which of `tables` it reads; and its columns,
        for views that read it in turn. Or the reason why there is none.
    """
    try:
        query, names = _query_of(parse_statement(sql))
        known = {name.lower(): table for name, table in tables.items()}
        reader = _Reader(known, frozenset(double_quoted(sql)), rename)
        found = reader.select(query, Names(), names)
    except Refusal as refusal:
        return NotTranslatable(str(refusal))
    except RecursionError:
        return NotTranslatable("it is nested too deeply")
    columns = {column.source: column.outside() for column in found.columns}
    return TranslatedView(found.sql, reader.immutable, columns, frozenset(reader.reads))


def _query_of(statement: "Expr") -> "tuple[Expr, list[str]]":
    """The SELECT, and the columns' names where CREATE VIEW lists them."""
    if type(statement).__name__ != "Create":
        return statement, []
    only(statement, "this", "kind", "expression", "exists")
    if str(statement.args.get("kind")).upper() != "VIEW" or statement.args.get("expression") is None:
        raise Refusal("it is no view")
    named = statement.this
    names = [str(column.name) for column in named.expressions] if type(named).__name__ == "Schema" else []
    return statement.expression, names


@dataclass
class _Reader:
    tables: Mapping[str, Table]
    texts: frozenset[str]
    rename: Rename
    immutable: bool = True
    reads: set[str] = field(default_factory=set)

    def select(self, node: "Expr", outer: Names, names: list[str] | None = None) -> Query:
        """A SELECT, or several of them joined by UNION and the like."""
        node = unparenthesised(node)
        kind = type(node).__name__
        if kind in ("Union", "Intersect", "Except"):
            return self._compound(node, outer, names or [])
        if kind != "Select":
            raise Refusal(f"{describe(node)} is no SELECT")
        allowed = ("expressions", "distinct", "from_", "joins", "where", "group", "having", "order", "limit", "offset")
        only(node, *allowed, "with_")
        reader = self._with(node, outer)
        return reader._simple(node, outer, names or [])

    # --- WITH, UNION ---------------------------------------------------------------------------------------------

    def _with(self, node: "Expr", outer: Names) -> "_Reader":
        """A reader that knows the names of WITH; it puts each query where its name is read."""
        clause = node.args.get("with_")
        if clause is None:
            return self
        only(clause, "expressions")
        reader = self
        for part in clause.expressions:
            only(part, "this", "alias")
            alias = part.args["alias"]
            listed = [str(column.name) for column in alias.args.get("columns") or []]
            found = reader.select(part.this, outer, listed)
            columns = {column.source: column.outside() for column in found.columns}
            table = Derived("", columns, found.sql)
            reader = _Reader(
                {**reader.tables, str(alias.this.name).lower(): table}, self.texts, self.rename, reads=self.reads
            )
        return reader

    def _compound(self, node: "Expr", outer: Names, names: list[str]) -> Query:
        only(node, "this", "expression", "distinct", "order", "limit", "offset", "with_")
        reader = self._with(node, outer)
        left, right = reader.select(node.this, outer, names), reader.select(node.expression, outer)
        if len(left.columns) != len(right.columns):
            raise Refusal("the SELECTs have unequal numbers of columns")
        for first, second in zip(left.columns, right.columns, strict=True):
            same_form(first.term, second.term)
            if node.args.get("distinct"):
                aggregates.told_apart((first.term, second.term))
        word = type(node).__name__.upper() + ("" if node.args.get("distinct") else " ALL")
        scope = Names({"": {column.source: column.term for column in left.columns}})
        query = Query(f"{left.sql} {word} {right.sql}", left.columns)
        return reader._around(node, query, reader._walker(scope))

    # --- the clauses of one SELECT -------------------------------------------------------------------------------

    def _simple(self, node: "Expr", outer: Names, names: list[str]) -> Query:
        scope = Names(outer=outer)
        source = self._from(node, scope)
        walker = self._walker(scope)
        columns = self._columns(node, scope, walker, names)
        distinct = node.args.get("distinct")
        if distinct is not None:
            only(distinct)
            aggregates.told_apart(column.term for column in columns)
        clauses = [
            "SELECT DISTINCT" if distinct is not None else "SELECT",
            ", ".join(f"{column.term.sql} AS {identifier(column.target)}" for column in columns),
            source,
            self._condition("WHERE", node.args.get("where"), walker),
            self._group(node, walker, columns),
            self._condition("HAVING", node.args.get("having"), walker),
        ]
        query = Query(" ".join(clause for clause in clauses if clause), columns)
        if distinct is not None:
            query = self._around(node, query, walker)
        else:
            parts = [aggregates.ordered(self._referred(p.this, walker, columns), p) for p in self._order(node)]
            query = query.followed_by(self._tail(node, parts))
        self.immutable = self.immutable and walker.immutable
        return query

    def _walker(self, scope: Names) -> Walker:
        queries: dict[str, Handler] = {
            "Exists": lambda _walker, node: self._exists(node, scope),
            "Subquery": lambda _walker, node: self._scalar(node, scope),
        }
        return Walker(
            scope,
            self.texts,
            clock=True,
            queries=lambda node: self._values(node, scope),
            extra={**aggregates.HANDLERS, **queries},
        )

    def _condition(self, word: str, clause: "Expr | None", walker: Walker) -> str:
        return f"{word} {walker.condition(clause.this)}" if clause is not None else ""

    def _from(self, node: "Expr", scope: Names) -> str:
        clause = node.args.get("from_")
        if clause is None:
            return ""
        only(clause, "this")
        first = f"FROM {self._table(clause.this, scope)}"
        return " ".join([first, *(self._join(join, scope) for join in node.args.get("joins") or [])])

    def _table(self, node: "Expr", scope: Names) -> str:
        if type(node).__name__ == "Subquery":
            only(node, "this", "alias")
            query = self.select(node.this, scope.outer or Names())
            alias = str(node.alias) or f"query{len(scope.tables) + 1}"
            scope.add(alias, {column.source: column.outside() for column in query.columns})
            return f"({query.sql}) AS {identifier(alias.lower())}"
        if type(node).__name__ != "Table":
            raise Refusal(f"{describe(node)} is no table")
        only(node, "this", "db", "alias")
        if node.args.get("db") is not None and str(node.args["db"].name).lower() != "main":
            raise Refusal(f"the table {node.name} is in another database")
        name = str(node.name).lower()
        table = self.tables.get(name)
        if table is None:
            raise Refusal(f"there is no table {node.name} among the known ones")
        alias = str(node.alias) or str(node.name)
        scope.add(alias, table.columns)
        if isinstance(table, Derived):
            return f"({table.query}) AS {identifier(alias.lower())}"
        self.reads.add(name)
        return f"{identifier(table.name)} AS {identifier(alias.lower())}"

    def _join(self, node: "Expr", scope: Names) -> str:
        only(node, "this", "side", "kind", "on", "using")
        side, kind = str(node.args.get("side") or "").upper(), str(node.args.get("kind") or "").upper()
        if side not in ("", "LEFT", "RIGHT", "FULL") or kind not in ("", "INNER", "CROSS", "OUTER"):
            raise Refusal(f"a {side} {kind} JOIN has no known equal in PostgreSQL")
        before = Names(dict(scope.tables), scope.outer)
        table = self._table(node.this, scope)
        if node.args.get("using"):
            condition = self._using(node, before, scope)
        else:
            condition = self._walker(scope).condition(node.args["on"]) if node.args.get("on") is not None else ""
        if side and not condition:
            raise Refusal(f"a {side} JOIN without a condition")
        return f"{side + ' ' if side else ''}JOIN {table} ON {condition}" if condition else f"CROSS JOIN {table}"

    def _using(self, node: "Expr", before: Names, scope: Names) -> str:
        """USING as ON: a column of that name is the left table's from here on, as SQLite reads it."""
        if str(node.args.get("side") or "").upper() in ("RIGHT", "FULL"):
            raise Refusal("USING in such a JOIN takes its columns from both sides")
        alias = next(name for name in scope.tables if name not in before.tables)
        joined = Names({alias: scope.tables[alias]})
        pairs = []
        for column in node.args["using"]:
            name = str(column.name)
            left, right = before(name, None), joined(name, None)
            if left is None or right is None:
                raise Refusal(f"USING names {name}, which is not in both tables")
            pairs.append(aggregates.equal(left, right))
            kept = {known: term for known, term in scope.tables[alias].items() if known.lower() != name.lower()}
            scope.tables[alias] = kept
        return " AND ".join(pairs)

    def _columns(self, node: "Expr", scope: Names, walker: Walker, names: list[str]) -> list[Output]:
        found: list[tuple[str, Term]] = []
        for expression in node.expressions:
            star = type(expression).__name__ == "Star" or type(getattr(expression, "this", None)).__name__ == "Star"
            if star and type(expression).__name__ in ("Star", "Column"):
                found.extend(self._star(expression, scope))
            else:
                found.append(self._column(expression, walker))
        if names and len(names) != len(found):
            raise Refusal("the view's list of columns is longer or shorter than its SELECT")
        return self._named([(names[k] if names else name, term) for k, (name, term) in enumerate(found)])

    def _named(self, found: list[tuple[str, Term]]) -> list[Output]:
        outputs = [Output(name, self.rename(name), typed(term)) for name, term in found]
        outputs = [replace(o, target=o.term.column.name) if keeps_name(o) and o.term.column else o for o in outputs]
        targets = [output.target for output in outputs]
        twice = {target for target in targets if targets.count(target) > 1}
        if twice:
            raise Refusal(f"two of its columns are called {min(twice)}")
        return outputs

    def _star(self, node: "Expr", scope: Names) -> list[tuple[str, Term]]:
        only(node, "this", "table")
        if type(node).__name__ == "Star":
            return [(name, term) for columns in scope.tables.values() for name, term in columns.items()]
        table = str(node.args["table"].name)
        if table.lower() not in scope.tables:
            raise Refusal(f"there is no table {table} among the known ones")
        return list(scope.tables[table.lower()].items())

    def _column(self, node: "Expr", walker: Walker) -> tuple[str, Term]:
        if type(node).__name__ == "Alias":
            only(node, "this", "alias")
            return str(node.alias), walker.term(node.this)
        name = str(node.name) if type(node).__name__ == "Column" else node.sql(dialect="sqlite")
        return name, walker.term(node)

    def _group(self, node: "Expr", walker: Walker, columns: list[Output]) -> str:
        clause = node.args.get("group")
        if clause is None:
            return ""
        only(clause, "expressions")
        terms = [self._grouped(part, walker, columns) for part in clause.expressions]
        aggregates.told_apart(terms)
        return f"GROUP BY {', '.join(term.operand for term in terms)}"

    def _grouped(self, node: "Expr", walker: Walker, columns: list[Output]) -> Term:
        """As in ORDER BY, but a table's column comes before one of the SELECT's of that name."""
        if type(node).__name__ == "Column" and node.args.get("table") is None:
            found = walker.scope(str(node.name), None)
            if found is not None:
                return found
        return self._referred(node, walker, columns)

    def _referred(self, node: "Expr", walker: Walker, columns: list[Output]) -> Term:
        """An expression of ORDER BY: a column's position, its name, or an expression of its own."""
        if type(node).__name__ == "Literal" and not node.args.get("is_string"):
            position = int(str(node.this)) if str(node.this).isdecimal() else 0
            if not 0 < position <= len(columns):
                raise Refusal("it refers to a column by a position that there is not")
            return columns[position - 1].term
        if type(node).__name__ == "Column" and node.args.get("table") is None:
            for column in columns:
                if column.source.lower() == str(node.name).lower():
                    return column.term
        return walker.term(node)

    def _tail(self, node: "Expr", parts: list[str]) -> str:
        """ORDER BY with these parts, LIMIT and OFFSET."""
        pieces = [f"ORDER BY {', '.join(parts)}"] if parts else []
        for word in ("limit", "offset"):
            clause = node.args.get(word)
            if clause is not None:
                only(clause, "expression")
                pieces.append(f"{word.upper()} {self._count(clause.expression)}")
        return "".join(f" {piece}" for piece in pieces)

    def _order(self, node: "Expr") -> "list[Expr]":
        clause = node.args.get("order")
        if clause is None:
            return []
        only(clause, "expressions")
        found: list[Expr] = clause.expressions
        return found

    def _around(self, node: "Expr", query: Query, walker: Walker) -> Query:
        """Rows that are told apart, ordered by columns: PostgreSQL wants a collation's order outside of them."""
        parts = []
        for part in self._order(node):
            term = self._referred(part.this, walker, query.columns)
            column = next((column for column in query.columns if column.term == term), None)
            if column is None:
                raise Refusal("it orders rows by what is none of their columns")
            parts.append(aggregates.ordered(named(column), part))
        tail = self._tail(node, parts)
        return Query(f"SELECT * FROM ({query.sql}) AS rows{tail}", query.columns) if parts else query.followed_by(tail)

    def _count(self, node: "Expr") -> str:
        if type(node).__name__ != "Literal" or not str(node.this).isdecimal():
            raise Refusal("LIMIT and OFFSET with what is no written number")
        return str(node.this)

    # --- SELECTs inside of expressions ---------------------------------------------------------------------------

    def _exists(self, node: "Expr", scope: Names) -> Term:
        only(node, "this")
        return Term(f"EXISTS ({self.select(node.this, scope).sql})", Sort.BOOLEAN)

    def _scalar(self, node: "Expr", scope: Names) -> Term:
        """One value. SQLite takes the first of several rows, and PostgreSQL refuses them."""
        query = unparenthesised(node.this)
        limit = query.args.get("limit")
        aggregated = any(type(inner).__name__ in aggregates.HANDLERS for inner in query.expressions)
        if limit is not None and str(limit.expression.this) == "1":
            return self._values(node, scope)
        if aggregated and query.args.get("group") is None and limit is None:
            return self._values(node, scope)
        raise Refusal("a SELECT of maybe several rows stands for one value")

    def _values(self, node: "Expr", scope: Names) -> Term:
        """A SELECT of one column."""
        if type(node).__name__ == "Subquery":
            only(node, "this")
            node = node.this
        query = self.select(node, scope)
        if len(query.columns) != 1:
            raise Refusal("a SELECT of several columns stands for one value")
        term = query.columns[0].term
        return Term(f"({query.sql})", term.sort, term.affinity, term.collation, fractional=term.fractional)
