"""What runs only at night."""

import os

import pytest

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
nightly = pytest.mark.skipif(not NIGHTLY, reason="nightly: HYPOTHESIS_PROFILE=nightly")
