"""What a run can begin before it has imported pandas: two cores are there, and importing keeps but one of them busy."""

import contextlib
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from etl.core.lazy_imports import postponed_imports
from etl.source.database import Source
from etl.validation.process import ValidationProcess


class Startup:
    """The source, open and being measured, and (with `validate`) the validation process, importing its libraries.

    Use it in a `with` statement. Raises `SourceError` where the source cannot be opened.
    """

    def __init__(self, sqlite: Path, *, validate: bool) -> None:
        self.source = Source(sqlite)
        self.validation: ValidationProcess | None = None
        self._validate = validate
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as ends:
            if self._validate:
                self.validation = ends.enter_context(contextlib.closing(ValidationProcess()))
            _import_reader()
            ends.enter_context(self.source)
            self.source.measure_ahead()
            self._ends = ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()


def _import_reader() -> None:
    """Imports ADBC without `pyarrow.dataset`, which it needs only for writing, and which takes all of pandas with it.

    So the measuring of the source begins 0.2 seconds earlier. Where pandas is there already, nothing is to be gained.
    """
    if "pandas" not in sys.modules:
        with postponed_imports("pyarrow.dataset"):
            import adbc_driver_sqlite.dbapi  # noqa: F401
