"""DataFrames whose display in Jupyter shows what they hold: a `$` stays a `$`, and texts begin at the left.

JupyterLab typesets whatever stands between two `$` of an output as mathematics, and aligns every cell to the right.
What is selected from a `ShownFrame` displays itself alike; in all else it is pandas' own.
"""

import re
from collections.abc import Callable
from itertools import cycle

import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from etl.core.display import as_written

_LEFT = ' style="text-align: left"'


class ShownFrame(pd.DataFrame):
    """A DataFrame that displays itself as it is."""

    @property
    def _constructor(self) -> Callable[..., "ShownFrame"]:
        return ShownFrame

    def _repr_html_(self) -> str | None:
        return frame_html(pd.DataFrame(self))


def frame_html(frame: pd.DataFrame) -> str | None:
    """pandas' display of a frame, as written and with its texts at the left; None where pandas makes none."""
    with pd.option_context("display.html.use_mathjax", False):
        html: str | None = frame._repr_html_()  # type: ignore[operator]
    if html is None or frame.columns.nlevels > 1 or frame.index.nlevels > 1:
        return html
    head, body, rest = re.split("(?=<tbody>|</table>)", html, maxsplit=2)
    cells = _shown(frame, head.partition("</tr>")[0].count("<th>") - 1)
    head = re.sub("<th>", _aligner([False, *cells]), head)
    body = re.sub("<td>", _aligner(cells), body)
    return as_written(head + re.sub("<th>", _aligner([_is_text(frame.index)]), body) + rest)


def _shown(frame: pd.DataFrame, shown: int) -> list[bool]:
    """For each of the `shown` columns, if it holds texts; where pandas leaves some out, a column of dots says so."""
    texts = [_is_text(frame.iloc[:, place]) for place in range(len(frame.columns))]
    if shown == len(texts) or shown < 2:
        return texts[:shown] or [False]
    half = (shown - 1) // 2
    return [*texts[: shown - 1 - half], False, *(texts[-half:] if half else ())]


def _is_text(values: "pd.Series | pd.Index") -> bool:
    kind = values.dtype
    return not (is_numeric_dtype(kind) or is_bool_dtype(kind) or is_datetime64_any_dtype(kind))


def _aligner(texts: list[bool]) -> Callable[[re.Match[str]], str]:
    """Gives the tags of row after row their alignment; pandas writes as many in each, and none into a cell."""
    places = cycle(texts)
    return lambda tag: tag[0].replace(">", f"{_LEFT}>") if next(places) else tag[0]
