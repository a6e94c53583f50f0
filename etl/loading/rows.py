"""What passes between the stages of a load: accepted rows on the way in, counts and refused rows on the way out."""

from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from etl.core.plan import TablePlan
from etl.loading.copy import CopyData
from etl.loading.staging import Orphan, Present, RefusedRow, Rewritten


@dataclass(frozen=True)
class Accepted:
    """Converted and validated rows of one table; the frame's index is the row number, `rowids` stand beside it."""

    frame: pd.DataFrame
    rowids: np.ndarray | None
    encoded: CopyData | None = None  # the same rows, where they were encoded ahead
    altered_keys: Collection[int] = ()  # numbers of those in whose keys a repair has altered a value


@dataclass(frozen=True)
class Retracted:
    """Rows that were handed over before, by their numbers, and are rejected after all."""

    rows: list[int]


@dataclass(frozen=True)
class Loaded:
    """What became of the rows that were handed over: inserted, there before, and (page by page) refused."""

    table: str
    loaded_rows: int
    present: Present
    refused_rows: Callable[[], Iterator[list[RefusedRow]]]
    rewritten: tuple[Rewritten, ...] = ()
    orphans: tuple[Orphan, ...] = ()


Batches = Callable[[TablePlan], Generator[Accepted | Retracted]]


class NotFastError(Exception):
    """The fast way met a row that only the careful way can check; nothing of it is left."""
