"""Two worker processes for all tests of this folder."""

from collections.abc import Iterator

import pytest
from distributed import Client
from support.workers import running_workers


@pytest.fixture(scope="module")
def workers() -> Iterator[Client]:
    """Running workers."""
    with running_workers() as client:
        yield client
