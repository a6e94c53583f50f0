"""The bar on a terminal: on stderr, and nowhere where that is a file or a pipe."""

from types import TracebackType
from typing import Self

from rich.console import Console

from etl.progress.bar import ActivityBar
from etl.progress.observer import ProgressObserver


class TerminalProgress(ProgressObserver):
    """Shows the bar from the beginning of a `with` statement to its end.

    Whatever else is printed to the terminal meanwhile has to go through `err`, which alone knows where the bar is.
    """

    def __init__(self, *, quiet: bool = False, no_color: bool = False) -> None:
        self.err = Console(stderr=True, no_color=no_color or None, highlight=False, markup=False, soft_wrap=True)
        super().__init__(ActivityBar(self.err, shown=not quiet and self.err.is_terminal))

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()
