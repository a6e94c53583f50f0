"""What a measurement was made on: the machine, the versions, the date."""

import os
import platform
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from tests.benchmarks.cluster import Cluster

_PACKAGES = (
    "sqlite-to-postgres-etl",
    "pandas",
    "pyarrow",
    "adbc-driver-sqlite",
    "great_expectations",
    "psycopg2-binary",
    "SQLAlchemy",
    "duckdb",
)


def describe(cluster: Cluster) -> dict[str, str]:
    """Each fact by its name; a package or program that is not installed is left out."""
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{os.cpu_count()} × {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load average at the start": load,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": f"{cluster.version()} ({cluster.kind})",
        **_packages(),
        **_pgloader(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _packages() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _pgloader() -> dict[str, str]:
    if not shutil.which("pgloader"):
        return {}
    lines = subprocess.run(["pgloader", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {"pgloader": lines[0].split('"')[1]}
