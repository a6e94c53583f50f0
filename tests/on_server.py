"""Runs the test suite on a PostgreSQL of its own, made from binaries in a folder: `python tests/on_server.py BIN_DIR`.

The server listens on a Unix socket in a private temporary folder and is gone afterwards. As root it runs as `postgres`,
since PostgreSQL refuses root.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main(binaries: Path, arguments: list[str]) -> int:
    """Starts the server, runs pytest against it with further `arguments`, stops it; returns pytest's exit code."""
    folder = Path(tempfile.mkdtemp(prefix="etl-server-"))
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    control = [*as_user, str(binaries / "pg_ctl"), "-D", str(data)]
    options = f"-c listen_addresses= -c fsync=off -k {folder}"
    try:
        initdb = [
            str(binaries / "initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ]
        subprocess.run([*as_user, *initdb], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        start = [*control, "-l", str(folder / "log"), "-o", options, "-w", "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        try:
            url = f"postgresql://postgres@/postgres?host={folder}"
            tests = subprocess.run(
                [sys.executable, "-m", "pytest", *arguments],
                env={**os.environ, "TEST_DATABASE_URL": url, "ETL_TEST_BINARIES": str(binaries)},
                check=False,
            )
            return tests.returncode
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
