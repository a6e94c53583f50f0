"""Frames that display themselves as they are: pandas' own HTML, with the texts at the left, and never typeset."""

import re

import pandas as pd
import pytest

from etl.reporting.shown_frame import ShownFrame

LEFT = 'style="text-align: left"'


def alignment(html: str | None) -> list[str]:
    """A letter for each cell of each row: l(eft) or r(ight)."""
    rows = re.findall("<tr.*?</tr>", html or "", re.DOTALL)
    return ["".join("l" if LEFT in tag else "r" for tag in re.findall("<t[hd][ >][^>]*", row)) for row in rows]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (ShownFrame({"a": ["x<td>"], "n": [1], "b": [True]}), ["rlrr", "rlrr"]),
        (ShownFrame({"t": pd.to_datetime(["2024-01-01"]), "o": [None]}, index=["i"]), ["rrl", "lrl"]),
        (ShownFrame({"a": ["x", "y"], "n": [1, 2]}).T, ["rll", "lll", "lll"]),
        (ShownFrame({"a": []}, dtype="str"), ["rl"]),
        (ShownFrame({}), []),
    ],
)
def test_alignment(frame: ShownFrame, expected: list[str]) -> None:
    assert alignment(frame._repr_html_()) == expected or not expected


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 6])
def test_columns_that_pandas_leaves_out_shift_nothing(most: int) -> None:
    frame = ShownFrame({"a": ["x"], "b": [1], "c": ["x"], "d": [2], "e": ["x"], "f": [3]})
    with pd.option_context("display.max_columns", most):
        html = frame._repr_html_() or ""
    for cell, align in zip(re.findall("<td[^>]*>(.*?)</td>", html), alignment(html)[1][1:], strict=True):
        assert align == ("l" if cell == "x" else "r")


def test_what_is_selected_displays_itself_alike() -> None:
    frame = ShownFrame({"a": ["x", "y"], "n": [1, 2]})
    for part in (frame.head(1), frame[["a"]], frame.query("n > 1"), frame.sort_values("a"), frame.drop(columns="n")):
        assert "mathjax_ignore" in (part._repr_html_() or "")
    levels = frame.set_index(["a", "n"])._repr_html_() or ""
    assert "mathjax_ignore" in levels
