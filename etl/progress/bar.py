"""One line with what is being done, how far it is, how fast, and how long it will still take."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from etl.core.redaction import printable

BAR_CHARACTERS = 30


class ActivityBar:
    """The line, on a terminal from `start` to `stop`; elsewhere `drawn` gives it as it is at the moment."""

    def __init__(self, console: Console | None = None, *, shown: bool = True) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(BAR_CHARACTERS),
            _Pace(),
            console=console,
            transient=True,
            disable=not shown,
        )
        self._task = self._progress.add_task("Starting", total=None)

    def start(self) -> None:
        """From here on the line is drawn."""
        self._progress.start()

    def stop(self) -> None:
        """Takes the line away."""
        self._progress.stop()

    def begin(self, text: str) -> None:
        """Something whose end cannot be foreseen: the bar pulses, and the time counts up."""
        self._show(text, rows=0, of=None)

    def count(self, text: str, rows: int, of: int) -> None:
        """So many rows of all; where all are through but the work is not, the bar pulses."""
        if 0 < rows < of and (self.text, self._current.total) == (printable(text), of):
            self._progress.update(self._task, completed=rows)
        else:
            self._show(text, rows, of if rows < of else None)

    def _show(self, text: str, rows: int, of: int | None) -> None:
        """A task of its own: rich takes no total away from one that has it."""
        before = self._task
        self._task = self._progress.add_task(printable(text), total=of, completed=rows)
        self._progress.remove_task(before)

    @property
    def text(self) -> str:
        """What is being done."""
        return self._current.description

    def drawn(self) -> RenderableType:
        """The line as it is now."""
        return self._progress.get_renderable()

    @property
    def _current(self) -> Task:
        return self._progress.tasks[-1]


@contextmanager
def starting(*, quiet: bool = False, no_color: bool = False) -> Iterator[None]:
    """A sign of life on a terminal while a command imports what it needs."""
    console = Console(stderr=True, no_color=no_color or None)
    bar = ActivityBar(console, shown=not quiet and console.is_terminal)
    bar.start()
    try:
        yield
    finally:
        bar.stop()


class _Pace(ProgressColumn):
    """`25,000/100,000 rows, 12,345 rows/s, 0:00:06 left`; `0:00:06` where nothing can be foreseen."""

    def render(self, task: Task) -> Text:
        if task.total is None or not task.completed:
            rows = f"{task.completed:,.0f} rows, " if task.completed else ""
            return Text(f"{rows}{timedelta(seconds=int(task.elapsed or 0))}")
        parts = [f"{task.completed:,.0f}/{task.total:,.0f} rows"]
        if task.speed:
            parts.append(f"{task.speed:,.0f} rows/s")
        if task.time_remaining is not None:
            parts.append(f"{timedelta(seconds=int(task.time_remaining))} left")
        return Text(", ".join(parts))
