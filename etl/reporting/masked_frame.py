"""Rows to work with whose display keeps secrets: the values are there, but nobody sees a password over a shoulder.

What is taken of a `MaskedFrame` (a column, a row, a part) is displayed alike, and so is every text that
pandas makes of it. Values that are asked for as values (`tolist`, `to_csv`, indexing a cell) are the values.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from etl.core.redaction import HIDDEN, is_secret


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

    def to_string(self, *arguments: Any, **options: Any) -> Any:
        """As pandas' own, of what may be seen."""
        return _masked_series(self).to_string(*arguments, **options)

    def to_markdown(self, *arguments: Any, **options: Any) -> Any:
        """As pandas' own, of what may be seen."""
        return _masked_series(self).to_markdown(*arguments, **options)


class MaskedFrame(pd.DataFrame):
    """A DataFrame that shows "a hidden value" in columns named like secrets; what is selected from it does the same."""

    @property
    def _constructor(self) -> Callable[..., "MaskedFrame"]:
        return MaskedFrame

    @property
    def _constructor_sliced(self) -> Callable[..., MaskedSeries]:
        return MaskedSeries

    def __repr__(self) -> str:
        return repr(_masked(self))

    def _repr_html_(self) -> str | None:
        return _masked(self)._repr_html_()  # type: ignore[operator, no-any-return]

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
    hidden = {name: _hidden(shown[name]) for name in shown.columns if _names_secret(name)}
    shown = shown.assign(**hidden) if hidden else shown
    secret = np.array([_names_secret(name) for name in shown.index], dtype=np.bool_)
    return shown.astype(object).mask(secret[:, None] & shown.notna().to_numpy(), HIDDEN) if secret.any() else shown


def _masked_series(series: pd.Series) -> pd.Series:
    shown = pd.Series(series)
    if _names_secret(shown.name):
        return _hidden(shown)
    secret = np.array([_names_secret(name) for name in shown.index], dtype=np.bool_)
    return shown.astype(object).mask(secret & shown.notna().to_numpy(), HIDDEN) if secret.any() else shown


def _names_secret(name: object) -> bool:
    return isinstance(name, str) and is_secret(name)


def _hidden(values: pd.Series) -> pd.Series:
    return values.astype(object).where(values.isna(), HIDDEN)
