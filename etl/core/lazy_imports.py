"""Imports that leave out what a library only imports to have it at hand: until it is used, or for good."""

import gc
import importlib.abc
import importlib.util
import sys
from collections.abc import Collection, Iterator, Sequence
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


class _Missing(importlib.abc.MetaPathFinder):
    """Finds nothing of these packages, as if they were not installed."""

    def __init__(self, packages: frozenset[str]) -> None:
        self._packages = packages

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the protocol's argument
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> None:
        if fullname.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@contextmanager
def postponed_imports(*postponed: str, without: Collection[str] = ()) -> Iterator[None]:
    """Inside, the first import of a `postponed` module costs nothing; it is loaded when it is first used. The packages
    `without` which the importing library can do as well are not found.

    The garbage collector rests meanwhile, and afterwards never looks at what was imported: modules stay until the end.
    For a process of one thread, since two threads must not meet in a postponed module.
    """
    finders = [_Missing(frozenset(without)), _Postponing(frozenset(postponed))]
    sys.meta_path[:0] = finders
    gc.disable()
    try:
        yield
    finally:
        for finder in finders:
            sys.meta_path.remove(finder)
        gc.freeze()
        gc.enable()
