"""Rows to work with whose display keeps secrets: the values are there, but nobody sees a password over a shoulder.

What is taken of a `MaskedFrame` (a column, a row, a part, counts of its values, secrets as an index) is displayed
alike, and so is every text that pandas makes of it. Values that are asked for as values (`tolist`, `to_csv`, indexing a
cell) are the values; whoever gives a column another name, or lays columns over each other (`melt`), takes the mask off.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from etl.core.redaction import HIDDEN, is_secret
from etl.reporting.shown_frame import ShownFrame, frame_html


class MaskedSeries(pd.Series):
    """A column or a row of a `MaskedFrame`: hidden where its name, or the name of the cell in it, is a secret's."""

    @property
    def _constructor(self) -> Callable[..., "MaskedSeries"]:
        return MaskedSeries

    @property
    def _constructor_expanddim(self) -> Callable[..., "MaskedFrame"]:
        return MaskedFrame

    def __repr__(self) -> str:
        return repr(_masked_series(self))

    def value_counts(self, *arguments: Any, **options: Any) -> "MaskedSeries":
        """As pandas' own, which would count in a plain Series."""
        return MaskedSeries(super().value_counts(*arguments, **options))

    def describe(self, *arguments: Any, **options: Any) -> "MaskedSeries":  # type: ignore[misc] # final in its hints
        """As pandas' own, which would describe in a plain Series."""
        return MaskedSeries(super().describe(*arguments, **options))

    def to_string(self, *arguments: Any, **options: Any) -> Any:
        """As pandas' own, of what may be seen."""
        return _masked_series(self).to_string(*arguments, **options)

    def to_markdown(self, *arguments: Any, **options: Any) -> Any:
        """As pandas' own, of what may be seen."""
        return _masked_series(self).to_markdown(*arguments, **options)

    def to_latex(self, *arguments: Any, **options: Any) -> Any:
        """As pandas' own, of what may be seen."""
        return _masked_series(self).to_latex(*arguments, **options)


class MaskedFrame(ShownFrame):
    """A DataFrame that shows "a hidden value" in columns named like secrets; what is selected from it does the same."""

    @property
    def _constructor(self) -> Callable[..., "MaskedFrame"]:
        return MaskedFrame

    @property
    def _constructor_sliced(self) -> Callable[..., MaskedSeries]:
        return MaskedSeries

    def __repr__(self) -> str:
        return repr(_masked(self))

    def value_counts(self, *arguments: Any, **options: Any) -> MaskedSeries:
        """As pandas' own, which would count in a plain Series."""
        return MaskedSeries(super().value_counts(*arguments, **options))

    def describe(self, *arguments: Any, **options: Any) -> "MaskedFrame":  # type: ignore[misc] # final in its hints
        """As pandas' own, which would describe in a plain DataFrame."""
        return MaskedFrame(super().describe(*arguments, **options))

    def _repr_html_(self) -> str | None:
        return frame_html(_masked(self))

    def to_string(self, *arguments: Any, **options: Any) -> Any:
        """As pandas' own, of what may be seen."""
        return _masked(self).to_string(*arguments, **options)

    def to_html(self, *arguments: Any, **options: Any) -> Any:
        """As pandas' own, of what may be seen."""
        return _masked(self).to_html(*arguments, **options)

    def to_markdown(self, *arguments: Any, **options: Any) -> Any:
        """As pandas' own, of what may be seen."""
        return _masked(self).to_markdown(*arguments, **options)

    def to_latex(self, *arguments: Any, **options: Any) -> Any:
        """As pandas' own, of what may be seen."""
        return _masked(self).to_latex(*arguments, **options)

    @property
    def style(self) -> Any:
        """As pandas' own, of what may be seen."""
        return _masked(self).style


def _masked(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as it is shown; a transposed one has the names in its index."""
    shown = pd.DataFrame(frame)
    cells = np.add.outer(_secret_labels(shown.index), _secret_labels(shown.columns))
    masked = shown.astype(object).mask(cells & shown.notna().to_numpy(), HIDDEN) if cells.any() else shown
    return masked.set_axis(_masked_index(shown.index), axis=0).set_axis(_masked_index(shown.columns), axis=1)


def _masked_series(series: pd.Series) -> pd.Series:
    shown = pd.Series(series)
    cells = _secret_labels(shown.index) | _names_secret(shown.name)
    masked = shown.astype(object).mask(cells & shown.notna().to_numpy(), HIDDEN) if cells.any() else shown
    return masked.set_axis(_masked_index(shown.index))


def _secret_labels(labels: pd.Index) -> npt.NDArray[np.bool_]:
    return np.array([_names_secret(label) for label in labels], dtype=np.bool_)


def _masked_index(index: pd.Index) -> pd.Index:
    """An index made of a secret column's values, as `set_index` and `value_counts` make one, without them."""
    if not any(map(_names_secret, index.names)):
        return index
    levels = [index.get_level_values(place) for place in range(index.nlevels)]
    hidden = [_hidden(level) if _names_secret(level.name) else level for level in levels]
    return hidden[0] if len(hidden) == 1 else pd.MultiIndex.from_arrays(hidden)


def _hidden(level: pd.Index) -> pd.Index:
    return pd.Index([None if missing else HIDDEN for missing in level.isna()], name=level.name)


def _names_secret(name: object) -> bool:
    """Whether a label, or a part of a label of several levels, is the name of a secret column."""
    return any(map(_names_secret, name)) if isinstance(name, tuple) else isinstance(name, str) and is_secret(name)
