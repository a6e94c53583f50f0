"""Which rows a comparison found not to be alike, for whoever is to make them so: by rowid, or by what matches them."""

import tempfile
from array import array
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
from psycopg2 import sql

from etl.comparison.target_side import key_forms
from etl.comparison.wire import Wire
from etl.core.plan import TablePlan
from etl.core.report import Difference
from etl.target.constraints import identifier
from etl.target.session import Session

Rowids = npt.NDArray[np.int64]
_SQL_TYPES = {pa.int64(): "bigint", pa.float64(): "double precision", pa.binary(): 'text COLLATE "C"'}


class FoundRows:
    """The rows of one table that only one side has, or that differ; use it in a `with` statement.

    `writable` are the source's columns that can be written: rows that differ in others alone are `kept`. `extra` says
    whether rows of the target alone are to be kept in mind, too. `on_first` is called when the first row turns up
    that the source would have written. Memory: 8 bytes for each row of the source; those of the target go to a file.
    """

    def __init__(self, writable: frozenset[str], *, extra: bool, on_first: Callable[[], None]) -> None:
        self._writable = writable
        self.wants_extra = extra
        self._on_first = on_first
        self._missing = array("q")
        self._different = array("q")
        self.kept_rows = 0
        self.extra_rows = 0

    def __enter__(self) -> Self:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # closed at the end of the block
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def missing(self) -> Rowids:
        """Rowids (row numbers where the table has none) of rows that the target lacks, sorted."""
        return np.sort(np.frombuffer(self._missing, np.int64))

    @property
    def different(self) -> Rowids:
        """The same of rows that differ in a column that can be written."""
        return np.sort(np.frombuffer(self._different, np.int64))

    def begin(self, plan: TablePlan, wires: Sequence[Wire], keys: Sequence[str], *, canonical: bool) -> None:
        """A pass begins, by these keys; what an earlier one has found is forgotten."""
        self._plan = plan
        self._wires = wires
        self._keys = keys
        self._canonical = canonical
        self._missing, self._different = array("q"), array("q")
        self.kept_rows = self.extra_rows = 0
        self._file.seek(0)
        self._file.truncate()

    def note_missing(self, rowids: pa.Array) -> None:
        """Rows that only the source has."""
        self._on_first()
        self._missing.frombytes(rowids.to_numpy(zero_copy_only=False).astype(np.int64).tobytes())

    def note_different(self, differences: Sequence[Difference]) -> None:
        """A pair of rows that differs."""
        rowid = differences[0].rowid
        if rowid is not None and any(difference.column in self._writable for difference in differences):
            self._on_first()
            self._different.append(rowid)
        else:
            self.kept_rows += 1

    def note_extra(self, rows: pa.RecordBatch) -> None:
        """Rows that only the target has."""
        self.extra_rows += rows.num_rows
        if not self.wants_extra or not rows.num_rows:
            return
        columns = [rows.column(key) for key in self._keys]
        texts = [column.cast(pa.string()) if column.type == pa.binary() else column for column in columns]
        batch = pa.RecordBatch.from_arrays(texts, names=list(self._keys))
        pa.csv.write_csv(batch, self._file, pa.csv.WriteOptions(include_header=False))

    def find_extra(self, session: Session, places: sql.Identifier) -> None:
        """Makes the temporary table `places` of the rows that only the target has.

        Its columns: `n`, a number; `rel` and `place`, where the row stands as long as nothing is written; `key0`,
        `key1` …, the columns of the plan's key. Of rows that are equal in all that is compared it takes any.
        """
        forms = key_forms(self._plan, self._wires, canonical=self._canonical)
        matched_by = [sql.Identifier(f"form{place}") for place in range(len(forms))]
        found = sql.Identifier(f"etl_found_{self._plan.target.oid}")
        columns = [
            sql.SQL("{} {}").format(n, sql.SQL(_SQL_TYPES[t])) for n, (_, t) in zip(matched_by, forms, strict=True)
        ]
        session.run(sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP").format(found, _list(columns)))
        self._file.seek(0)
        session.copy_in(sql.SQL("COPY {} FROM STDIN (FORMAT csv, ENCODING 'UTF8')").format(found), self._file)
        session.run(sql.SQL("ANALYZE {}").format(found))
        keys = [sql.Identifier(f"key{place}") for place in range(len(self._plan.key))]
        own = [
            sql.SQL("{} AS {}").format(sql.Identifier(column.target), key)
            for column, key in zip(self._plan.key, keys, strict=True)
        ]
        shown = [
            sql.SQL("({}){} AS {}").format(form, sql.SQL('::text COLLATE "C"' if kind == pa.binary() else ""), name)
            for (form, kind), name in zip(forms, matched_by, strict=True)
        ]
        session.run(
            sql.SQL(
                "CREATE TEMP TABLE {places} ON COMMIT DROP AS "
                "SELECT row_number() OVER () AS n, {picked} FROM ("
                "SELECT {picked}, most, row_number() OVER (PARTITION BY {forms}) AS nth FROM "
                "(SELECT tableoid AS rel, ctid AS place, {named} FROM {target}) t JOIN "
                "(SELECT {forms}, count(*) AS most FROM {found} GROUP BY {forms}) f USING ({forms})"
                ") pairs WHERE nth <= most"
            ).format(
                places=places,
                picked=_list([sql.SQL("rel"), sql.SQL("place"), *keys]),
                forms=_list(matched_by),
                named=_list([*own, *shown]),
                target=identifier(self._plan.target),
                found=found,
            )
        )
        session.run(sql.SQL("DROP TABLE {}").format(found))
        session.run(sql.SQL("ANALYZE {}").format(places))


def _list(parts: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(", ").join(parts)
