"""Rows to work with whose display keeps secrets: the values are there, but nobody sees a password over a shoulder."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from etl.core.redaction import HIDDEN, is_secret


class MaskedFrame(pd.DataFrame):
    """A DataFrame that shows "a hidden value" in columns named like secrets; what is selected from it does the same."""

    @property
    def _constructor(self) -> Callable[..., "MaskedFrame"]:
        return MaskedFrame

    def __repr__(self) -> str:
        return repr(_masked(self))

    def _repr_html_(self) -> str | None:
        return _masked(self)._repr_html_()  # type: ignore[operator, no-any-return]


def _masked(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as it is shown; a transposed one has the names in its index."""
    shown = pd.DataFrame(frame)
    hidden = {name: _hidden(shown[name]) for name in shown.columns if _names_secret(name)}
    shown = shown.assign(**hidden) if hidden else shown
    secret = np.array([_names_secret(name) for name in shown.index], dtype=np.bool_)
    return shown.astype(object).mask(secret[:, None] & shown.notna().to_numpy(), HIDDEN) if secret.any() else shown


def _names_secret(name: object) -> bool:
    return isinstance(name, str) and is_secret(name)


def _hidden(values: pd.Series) -> pd.Series:
    return values.astype(object).where(values.isna(), HIDDEN)
