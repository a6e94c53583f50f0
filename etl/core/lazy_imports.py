"""Imports that postpone what a library only imports to have it at hand, until it is used."""

import gc
import importlib.abc
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _Postponing(importlib.abc.MetaPathFinder):
    """Finds the named modules as ever, but lets them be executed only when something of them is asked for."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - the protocol's argument
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname in self._names else None
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


@contextmanager
def postponed_imports(*names: str) -> Iterator[None]:
    """Inside, the first import of a module of these `names` costs nothing; it is loaded when it is first used.

    The garbage collector rests meanwhile, and afterwards never looks at what was imported: modules stay until the end.
    For a process of one thread, since two threads must not meet in a postponed module.
    """
    finder = _Postponing(frozenset(names))
    sys.meta_path.insert(0, finder)
    gc.disable()
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        gc.freeze()
        gc.enable()
