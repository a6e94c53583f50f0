"""A run's identity: when it began, and a few letters that no other run of that second has."""

import secrets
from datetime import UTC, datetime


def new_run_id(started: datetime | None = None) -> str:
    """Such as `20261126T101502Z-3fa9c1`; `started` defaults to now. It is a file name, and sorts by time."""
    return f"{started or datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
