"""Public functions as people call them: with a bar in a notebook, and with one line where they are interrupted."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from etl.core.errors import Interrupted
from etl.runs.observer import Observer, Stage

P = ParamSpec("P")
R = TypeVar("R")


def attended(stage: Stage, *, if_stopped: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a function that takes long.

    In a notebook a bar shows how far it is: it begins with `stage`, and hears the function's events where that takes an
    `observer` and none is given. An interruption leaves as `Interrupted` with `if_stopped`.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        observable = "observer" in inspect.signature(function).parameters

        @functools.wraps(function)
        def call(*arguments: P.args, **options: P.kwargs) -> R:
            given: Any = options.get("observer")
            with _one_line(if_stopped), _heard(given, stage) as observer:
                heard: dict[str, Any] = {"observer": observer} if observable else {}
                return function(*arguments, **{**options, **heard})

        return call

    return decorate


@contextmanager
def _one_line(if_stopped: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as stopped:
        if type(stopped) is not KeyboardInterrupt:  # it says for itself what it is
            raise
        raise Interrupted(if_stopped) from stopped


def _in_a_kernel() -> bool:
    """Whether somebody looks at this process through Jupyter: a library may have imported it without that."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


@contextmanager
def _heard(given: Observer | None, stage: Stage) -> Iterator[Observer | None]:
    if given is not None or not _in_a_kernel():
        yield given
        return
    from etl.progress.jupyter import JupyterProgress  # here, since nobody else needs it

    with JupyterProgress() as progress:
        progress.stage_begun(stage)
        yield progress
