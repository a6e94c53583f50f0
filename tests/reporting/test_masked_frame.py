"""Whatever is displayed of rejected rows hides secrets; whatever is asked for as a value is the value."""

import pickle
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
    "a column's to_latex": lambda frame: frame["password_hash"].to_latex(),
    "values as an index": lambda frame: repr(frame.set_index("password_hash")),
    "values as an index, html": lambda frame: frame.set_index("password_hash")._repr_html_(),
    "a column of that": lambda frame: repr(frame.set_index("password_hash")["name"]),
    "values in one of two levels": lambda frame: repr(frame.set_index(["id", "password_hash"])),
    "counted values": lambda frame: repr(frame["password_hash"].value_counts()),
    "counted rows": lambda frame: repr(frame.value_counts()),
    "groups": lambda frame: repr(frame.groupby("password_hash").size()),
    "a pivot": lambda frame: repr(frame.pivot(index="id", columns="password_hash", values="name")),
    "a pivot's values": lambda frame: repr(frame.pivot(index="id", columns="name")),
    "stacked": lambda frame: repr(frame.stack()),
    "described": lambda frame: repr(frame.describe()),
    "a column described": lambda frame: repr(frame["password_hash"].describe()),
    "the most frequent": lambda frame: repr(frame.mode()),
    "the first of each group": lambda frame: repr(frame.groupby("id").first()),
    "a column's groups": lambda frame: repr(frame.groupby("id")["password_hash"].max()),
    "counts of groups": lambda frame: repr(frame.groupby("id")["password_hash"].value_counts()),
    "the largest": lambda frame: repr(frame.dropna().max()),
    "applied": lambda frame: repr(frame.apply(lambda column: column)),
    "row by row": lambda frame: repr([row for _, row in frame.iterrows()]),
    "column by column": lambda frame: repr(dict(frame.items())),
    "without duplicates": lambda frame: repr(frame["password_hash"].drop_duplicates()),
    "changed": lambda frame: repr(frame["password_hash"].str.upper()).lower(),
    "joined": lambda frame: repr(pd.concat([frame, frame])),
    "merged": lambda frame: repr(frame.merge(pd.DataFrame({"id": [1], "x": [2]}), on="id")),
    "a copy": lambda frame: repr(frame.copy()),
    "pickled": lambda frame: repr(pickle.loads(pickle.dumps(frame))),
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
