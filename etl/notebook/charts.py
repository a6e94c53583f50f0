"""Pictures for the notebooks, where a person would rather look than read: matplotlib figures that display themselves.

Needs matplotlib, which comes with `pip install -e '.[notebook]'`; nothing else in the package does.
"""

import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from etl.core.difference_kinds import DifferenceKind
from etl.core.text import visible
from etl.profiling.profile import Profile
from etl.reporting.report import Report

WIDTH = 9.0  # inches: what a notebook shows without scrolling
BAR_HEIGHT = 0.28
SHOWN_BARS = 40
SHOWN_PANELS = 8
LABEL_CHARACTERS = 56
LABEL_LINES = 2
_KEY_NAME = re.compile(r"^foreign key \S+: ")  # its table and column stand there already
# A picture has no background of its own, and each colour stands out as much from a white page as from a black one.
TEXT = QUIET = "#767c84"
RULE = "#8c939b"
STORAGE_COLOURS = {"integer": "#4c9a74", "real": "#5f8fcb", "text": "#b8921f", "blob": "#b07aa1", "null": "#8c939b"}
OUTCOME_COLOURS = {"loaded": "#4c9a74", "present": "#5f8fcb", "rejected": "#d04437", "unaccounted": "#b5302a"}


class Picture(Figure):
    """A figure that Jupyter shows as it is, without pyplot and its state; characters without a glyph become boxes."""

    def _repr_png_(self) -> bytes:
        with _style(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=96, transparent=True, metadata={"Software": None})
        return buffer.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(
        {
            "text.parse_math": False,  # a $ in a name is a $
            "font.family": "DejaVu Sans",  # matplotlib's own: the same everywhere
            "font.size": 10,
            "text.color": TEXT,
            "axes.labelcolor": QUIET,
            "axes.edgecolor": RULE,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "xtick.color": QUIET,
            "ytick.color": TEXT,
        }
    ):
        yield


def rows_per_table(profile: Profile) -> Picture:
    """A bar for each table: its rows in the source."""
    return _bars("Rows per table", dict(zip(profile.tables["table"], profile.tables["rows"], strict=True)))


def storage_classes(profile: Profile) -> Picture:
    """For each target type, the values that the source holds for it, by SQLite's storage class (NULL left out)."""
    classes = [name for name in STORAGE_COLOURS if name != "null"]
    counts = profile.columns.groupby("target_type", sort=True)[classes].sum()
    counts = counts[counts.sum(axis=1) > 0]
    shares = counts.div(counts.sum(axis=1), axis=0) * 100
    labels = [f"{name} ({total:,})" for name, total in counts.sum(axis=1).items()]
    parts = {name: shares[name].tolist() for name in classes if shares[name].any()}
    return _stacked("Stored as … (columns by their target type, values in brackets)", labels, parts, "% of the values")


def activity(profile: Profile) -> Picture:
    """A strip for each of the busiest tables: rows by day, week or month of their creation."""
    frame = profile.activity
    busiest = frame.groupby("table")["rows"].sum().nlargest(SHOWN_PANELS)
    busiest_tables = [name for name in profile.tables["table"] if name in busiest.index]
    frame = frame[frame["table"].isin(busiest_tables)]
    if frame.empty:
        return _empty("Activity over time", "no table has rows with a time")
    begin, end = _core(frame)
    unit, name = _unit(begin, end)
    with _style():
        figure = Picture(figsize=(WIDTH, 0.75 * len(busiest_tables) + 0.9), layout="constrained")
        panels = figure.subplots(len(busiest_tables), 1, sharex=True, squeeze=False)[:, 0]
        for panel, table in zip(panels, busiest_tables, strict=True):
            part = frame[frame["table"] == table]
            _strip(panel, table, part, begin, end, unit)
        panels[0].set_title(f"Activity over time: rows per {name}")
        panels[-1].xaxis.set_major_locator(AutoDateLocator(maxticks=8))  # type: ignore[no-untyped-call]
        panels[-1].xaxis.set_major_formatter(DateFormatter("%Y-%m-%d"))  # type: ignore[no-untyped-call]
        panels[-1].set_xlabel("date (UTC)")
    return figure


def _core(frame: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The first and the last day; where few rows lie far outside (the year 1, or 9999), those of the others."""
    days = frame.sort_values("day")
    passed = days["rows"].cumsum() / days["rows"].sum()
    core = days[(passed > 0.01) & (passed.shift(fill_value=0.0) < 0.99)]["day"]
    whole = days["day"].max() - days["day"].min()
    far_outside = whole > 3 * (core.max() - core.min()) + pd.Timedelta(days=30)
    return (core.min(), core.max()) if far_outside else (days["day"].min(), days["day"].max())


def _unit(begin: pd.Timestamp, end: pd.Timestamp) -> tuple[str, str]:
    days = (end - begin).days
    return ("D", "day") if days <= 120 else ("W-SUN", "week") if days <= 1_000 else ("M", "month")


def _strip(panel: Axes, table: str, part: pd.DataFrame, begin: pd.Timestamp, end: pd.Timestamp, unit: str) -> None:
    within = part[(part["day"] >= begin) & (part["day"] <= end)]
    starts = within["day"].dt.tz_localize(None).dt.to_period(unit).dt.start_time
    counts = within["rows"].groupby(starts).sum()
    periods = pd.PeriodIndex(counts.index, freq=unit)
    left = [_number(day) for day in periods.start_time]
    width = [_number(day) - start for day, start in zip(periods.end_time, left, strict=True)]
    panel.bar(left, counts.to_numpy(), width=width, align="edge", color=OUTCOME_COLOURS["loaded"], linewidth=0)
    panel.set_xlim(_number(begin), _number(end) + 1)
    panel.set_ylabel(_label(table), rotation=0, ha="right", va="center", color=TEXT, labelpad=14)
    panel.yaxis.set_major_locator(MaxNLocator(2, integer=True, min_n_ticks=1))
    panel.tick_params(axis="y", labelcolor=QUIET, labelsize=8)
    _bare(panel)
    outside = int(part["rows"].sum() - within["rows"].sum())
    if outside:
        panel.set_title(
            f"{outside:,} rows outside this span", loc="right", fontsize=8, color=QUIET, fontweight="normal"
        )


def counts_side_by_side(report: Report) -> Picture:
    """For each table the rows of the source above those of the target (in a forecast: those that would be there)."""
    tables = report.frames.tables
    tables = tables[tables["source_rows"].notna()]
    after = tables["target_rows_after"].fillna(tables["loaded_rows"].fillna(0) + tables["target_rows_before"].fillna(0))
    with _style():
        figure = Picture(figsize=(WIDTH, 0.42 * max(len(tables), 2) + 1.0), layout="constrained")
        axes = figure.subplots()
        if tables.empty:
            return _empty("Rows on both sides", "no table")
        places = range(len(tables))
        sides = (
            ("source", tables["source_rows"], RULE, -0.19),
            ("target", after, OUTCOME_COLOURS["loaded"], 0.19),
        )
        for name, values, colour, offset in sides:
            numbers = [int(value) for value in values]
            bars = axes.barh([place + offset for place in places], numbers, height=0.36, color=colour, label=name)
            axes.bar_label(bars, [f"{number:,}" for number in numbers], padding=3, fontsize=7, color=QUIET)
        _name_bars(axes, list(tables["table"]))
        axes.set_title("Rows on both sides")
        axes.set_xlabel("rows")
        axes.legend(loc="lower right", frameon=False)
    return figure


def outcomes(report: Report) -> Picture:
    """What became of the rows of each table of which not all were loaded, in percent."""
    tables = report.frames.equation
    tables = tables[tables["source_rows"] != tables["loaded_rows"]]
    total = tables["source_rows"].astype("float64")
    parts = {name: (tables[f"{name}_rows"].astype("float64") / total * 100).tolist() for name in OUTCOME_COLOURS}
    labels = [f"{name} ({rows:,})" for name, rows in zip(tables["table"], tables["source_rows"], strict=True)]
    shown = {name: shares for name, shares in parts.items() if any(shares)}
    nothing = "every row of every table was loaded" if report.total("loaded_rows") else "no rows"
    return _stacked("What became of the rows", labels, shown, "% of the rows", nothing)


def rejects_by_reason(report: Report) -> Picture:
    """A bar for each reason: rejected rows."""
    rejects = report.frames.rejects
    places = rejects["table"] + ("." + rejects["column"]).fillna("")
    reasons = rejects["reason"].str.replace(_KEY_NAME, "", regex=True)
    rows = _summed(rejects["rows"], places + ": " + reasons)
    return _bars("Rejected rows by reason", rows, OUTCOME_COLOURS["rejected"], nothing="no row was rejected")


def differences_by_kind(report: Report) -> Picture:
    """A bar for each table, column and kind: rows that differ; what the target's type narrows is left out."""
    kinds = report.frames.difference_kinds
    kinds = kinds[kinds["kind"] != DifferenceKind.NARROWED]
    labels = kinds["table"] + ("." + kinds["column"]).fillna("") + ": " + kinds["kind"].str.replace("_", " ")
    rows = _summed(kinds["rows"], labels)
    return _bars("Differences by kind", rows, OUTCOME_COLOURS["rejected"], nothing="no difference was found")


def _summed(rows: pd.Series, labels: pd.Series) -> dict[str, int]:
    return {str(label): int(total) for label, total in rows.groupby(labels, sort=False).sum().items()}


# -- drawing ------------------------------------------------------------------------------------------------------


def _bars(
    title: str, rows: Mapping[str, int], colour: str = OUTCOME_COLOURS["loaded"], nothing: str = "none"
) -> Picture:
    shown = dict(list(rows.items())[:SHOWN_BARS])
    if not shown:
        return _empty(title, nothing)
    more = len(rows) - len(shown)
    with _style():
        height = BAR_HEIGHT * (1.25 if max(map(len, shown)) > LABEL_CHARACTERS else 1)
        figure = Picture(figsize=(WIDTH, height * len(shown) + 1.0), layout="constrained")
        axes = figure.subplots()
        bars = axes.barh(range(len(shown)), list(shown.values()), height=0.72, color=colour)
        axes.bar_label(bars, [f"{number:,}" for number in shown.values()], padding=3, fontsize=8, color=QUIET)
        _name_bars(axes, list(shown))
        axes.set_xlabel("rows")
        axes.set_title(title + (f" (the first {len(shown)}, {more:,} more)" if more else ""))
    return figure


def _stacked(
    title: str, labels: Sequence[str], parts: Mapping[str, Sequence[float]], unit: str, nothing: str = "no rows"
) -> Picture:
    if not labels:
        return _empty(title, nothing)
    colours = STORAGE_COLOURS | OUTCOME_COLOURS
    with _style():
        figure = Picture(figsize=(WIDTH, BAR_HEIGHT * len(labels) + 1.3), layout="constrained")
        axes = figure.subplots()
        left = [0.0] * len(labels)
        for name, shares in parts.items():
            axes.barh(range(len(labels)), shares, left=left, height=0.72, color=colours[name], label=name)
            left = [start + share for start, share in zip(left, shares, strict=True)]
        _name_bars(axes, labels)
        axes.set_xlim(0, 100)
        axes.set_xlabel(unit)
        axes.set_title(title, pad=24)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(parts), frameon=False, borderaxespad=0.1)
    return figure


def _empty(title: str, text: str) -> Picture:
    with _style():
        figure = Picture(figsize=(WIDTH, 1.2), layout="constrained")
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_title(title)
        axes.text(0.0, 0.5, text, color=QUIET, transform=axes.transAxes, va="center")
    return figure


def _name_bars(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [_label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.1)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _bare(axes)


def _number(day: pd.Timestamp) -> float:
    """Days since matplotlib's own beginning of time."""
    return float(date2num(day))  # type: ignore[no-untyped-call]


def _label(text: str) -> str:
    return "\n".join(textwrap.wrap(visible(text), LABEL_CHARACTERS, max_lines=LABEL_LINES, placeholder=" …"))


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=3)
