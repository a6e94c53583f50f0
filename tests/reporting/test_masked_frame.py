"""Whatever is displayed of rejected rows hides secrets; whatever is asked for as a value is the value."""

from collections.abc import Callable

import pandas as pd
import pytest

from etl.core.redaction import HIDDEN
from etl.reporting.masked_frame import MaskedFrame

SECRET = "s3cr3t-pass"
FRAME = MaskedFrame({"id": [1, 2], "password_hash": [SECRET, None], "name": ["a", "b"]}, dtype=object)
SHOWN: dict[str, Callable[[MaskedFrame], object]] = {
    "repr": repr,
    "str": str,
    "html": lambda frame: frame._repr_html_(),
    "to_string": lambda frame: frame.to_string(),
    "to_html": lambda frame: frame.to_html(),
    "style": lambda frame: frame.style.to_html(),
    "a column": lambda frame: repr(frame["password_hash"]),
    "a column's to_string": lambda frame: frame["password_hash"].to_string(),
    "a row": lambda frame: repr(frame.loc[0]),
    "a row's to_string": lambda frame: frame.iloc[0].to_string(),
    "a column as a frame": lambda frame: repr(frame["password_hash"].to_frame()),
    "a part": lambda frame: repr(frame[["password_hash"]].head(1)),
    "transposed": lambda frame: repr(frame.T),
    "a column of the transposed": lambda frame: repr(frame.T[0]),
    "a filter": lambda frame: repr(frame.query("id == 1")["password_hash"]),
    "sorted": lambda frame: repr(frame.sort_values("id").password_hash),
}


@pytest.mark.parametrize("way", SHOWN)
def test_no_display_shows_a_secret(way: str) -> None:
    shown = str(SHOWN[way](FRAME))
    assert SECRET not in shown
    assert HIDDEN in shown


def test_the_values_are_there() -> None:
    assert FRAME["password_hash"].tolist() == [SECRET, None]
    assert FRAME.loc[0, "password_hash"] == SECRET
    assert SECRET in FRAME.to_csv()
    assert pd.DataFrame(FRAME)["password_hash"].iloc[0] == SECRET


def test_other_columns_are_shown_as_they_are() -> None:
    assert repr(FRAME["name"]) == repr(pd.DataFrame(FRAME)["name"])
