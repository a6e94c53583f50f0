"""What the tests of faults share: a load that something happens to, and a server that may be crashed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.database import Server

from faults.faulted import OwnServer, Scene, scene


@pytest.fixture
def story(server: Server, tmp_path: Path) -> Iterator[Scene]:
    """A load on the server that all tests share."""
    with scene(server, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def own() -> Iterator[OwnServer]:
    """A server of our own."""
    found = OwnServer()
    try:
        yield found
    finally:
        found.remove()
