"""What is taken where nothing is said: each default is written here once."""

from pathlib import Path

SOURCE = Path("data/unified.db")
DEMO_SOURCE = Path("data/demo.db")  # the sample that `--demo` makes
SERVER_FOLDER = Path("data/postgres")  # of the embedded server
REPORTS = Path("reports")
PROFILE = REPORTS / "profile.html"
TIMEZONE = "UTC"
BATCH_ROWS = 50_000
