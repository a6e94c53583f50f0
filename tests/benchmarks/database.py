"""Makes the large database of the benchmark: the application's 20 tables with 1,096,476 rows, about 400 MB, at scale 1.

Half of the rows are messages, half of the times are in either format, the texts hold quotes, line breaks, tabs,
backslashes, Hangul and emoji; every reference and every unique constraint holds.

    python -m tests.benchmarks.database PATH [--scale S]
"""

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from etl.sample.build import new_database

ROWS = {
    "users": 2_000,
    "conversation_sessions": 50_000,
    "custom_agents": 1_000,
    "conversation_messages": 548_000,
    "agent_usage_logs": 200_000,
    "agent_feedback": 20_000,
    "audit_logs": 150_000,
    "alert_history": 5_000,
    "user_memories": 30_000,
    "memory_tags": 40_000,
    "research_sessions": 3_000,
    "research_steps": 12_000,
    "agent_marketplace": 500,
    "agent_reviews": 4_000,
    "agent_installations": 8_000,
    "canvas_documents": 6_000,
    "canvas_versions": 12_000,
    "external_connections": 1_000,
    "external_files": 3_000,
    "api_usage": 976,
}
"""Rows per table at scale 1."""

START = datetime(2024, 1, 1)
SECONDS = 60_000_000  # a little less than two years
PHRASES = (
    "분기 보고서의 핵심은 세 가지입니다. ",
    'Here\'s the "short" answer: it depends. ',
    "C:\\temp\\새 폴더\\notes.txt\n",
    "| 항목\t상태 |\r\n",
    "고마워 👍🏽 다음 회의는 월요일입니다. ",
    "SELECT 'it''s', \"key\" FROM t WHERE x LIKE '%\\_%';\n",
    "Keep it small, name an owner, measure first. ",
    "가나다라마바사 아자차카타파하 ",
    "🧑‍💻🚀✅ ",
    "\\N \\. \\n \\t are not what they seem; 'quoted', (bracketed), {braced} ",
    "naïve café – Ünïcödé — …\n\n",
)
CATEGORIES = ("preference", "fact", "project", "relationship", "skill", "context")
SERVICES = ("google_drive", "notion", "github", "slack", "dropbox")
TAGS = ("업무", "urgent", "개인", "idea 💡", "later", "코드", "a'b", "review")
MODELS = ("gemini-3-flash-preview:cloud", "qwen3:14b", "gpt-oss:20b", None)
ACTIONS = ("login", "logout", "create_session", "update_agent", "export_data", "login_failed")

Values = tuple[str | int | float | None, ...]


def make_benchmark(path: Path, *, scale: float = 1.0, seed: int = 1) -> int:
    """Write the benchmark database to `path`, in place of whatever is there, and return its number of rows.

    Each table has `scale` times the rows of `ROWS`, at least one. The same arguments give the same rows.
    """
    counts = {table: max(1, round(rows * scale)) for table, rows in ROWS.items()}
    # so few users or offers that each pair of them occurs already
    counts["agent_reviews"] = min(counts["agent_reviews"], counts["agent_marketplace"] * counts["users"])
    counts["agent_installations"] = min(counts["agent_installations"], counts["agent_marketplace"] * counts["users"])
    maker = _Maker(counts, seed)
    with new_database(path) as connection:
        for table, count in counts.items():
            _fill(connection, table, map(_ROW_OF[table], [maker] * count, range(count)))
    return sum(counts.values())


def _fill(connection: sqlite3.Connection, table: str, rows: Iterator[Values]) -> None:
    columns = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    places = ", ".join("?" for _ in columns)
    connection.executemany(f'INSERT INTO "{table}" VALUES ({places})', rows)


class _Maker:
    """The dice, and ready pools to cut from: a row must cost microseconds."""

    def __init__(self, counts: dict[str, int], seed: int) -> None:
        dice = Random(seed)
        self.random = dice.random
        self.counts = counts
        self.corpus = "".join(dice.choices(PHRASES, k=20_000))
        self.documents = [_document(dice, number) for number in range(400)]

    def below(self, limit: int) -> int:
        return int(self.random() * limit)

    def text(self, longest: int) -> str:
        """Up to `longest` characters; short ones are more frequent."""
        start = self.below(len(self.corpus) - longest)
        return self.corpus[start : start + 1 + int(self.random() ** 2 * longest)]

    def maybe_text(self, longest: int) -> str | None:
        """A text in half of the cases, now and then an empty one, else NULL."""
        dice = self.random()
        return self.text(longest) if dice < 0.5 else "" if dice < 0.55 else None

    def json(self) -> str | None:
        return self.documents[self.below(len(self.documents))] if self.random() < 0.8 else None

    def ref(self, table: str) -> str:
        return key(table, self.below(self.counts[table]))

    def time(self, table: str, row: int, later: int = 0) -> str:
        """When the row came to be, plus `later` seconds, in either format; the rows are in the order of time."""
        moment = START + timedelta(seconds=SECONDS * row // self.counts[table] + later)
        if self.random() < 0.5:
            return moment.isoformat(" ")
        return f"{moment.isoformat()}.{self.below(1000):03d}Z"


def _document(dice: Random, number: int) -> str:
    words = [phrase.strip() for phrase in dice.sample(PHRASES, k=3)]
    shapes: tuple[object, ...] = (
        {"id": number, "tags": words, "score": dice.randrange(1000) / 7, "nested": {"이름": words[0], "ok": True}},
        words,
        {"big": 2**53 + number, "empty": {}, "none": None, "e": 1e-7},
        dice.choice(("default", 3, -0.5, True, None)),
    )
    return json.dumps(shapes[min(number % 8, 3)], ensure_ascii=number % 2 == 0)


def key(table: str, row: int) -> str:
    """The text key of a row, shaped like a UUID and unlike its neighbours' keys."""
    mixed = row * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    return f"{row:08x}-{len(table):04x}-4{mixed >> 52:03x}-8{mixed >> 40 & 0xFFF:03x}-{mixed & 0xFFFFFFFFFFFF:012x}"


def _user(make: _Maker, row: int) -> Values:
    created, updated = make.time("users", row), make.time("users", row, 90_000)
    login = make.time("users", row, 100_000) if row % 3 else None
    role = "admin" if row % 100 == 0 else "user"
    email = f"user{row}@example.org"
    return (key("users", row), f"user{row}", f"$2b$10${row:053d}", email, role, created, updated, login, row % 20 != 0)


def _session(make: _Maker, row: int) -> Values:
    table = "conversation_sessions"
    owner = make.ref("users") if row % 4 else None
    return (key(table, row), owner, make.text(60), make.time(table, row), make.time(table, row, 5000), make.json())


def _agent(make: _Maker, row: int) -> Values:
    table = "custom_agents"
    texts = (f"agent {row} 🤖", make.maybe_text(200), make.text(1500), make.json(), "analysis", "🧑‍💻")
    numbers = (make.below(20) / 10, 4096 if row % 2 else None, make.ref("users"), row % 9 != 0)
    return (key(table, row), *texts, *numbers, make.time(table, row), make.time(table, row, 4000))


def _message(make: _Maker, row: int) -> Values:
    table = "conversation_messages"
    # In the order of time, spread over the five sessions begun last.
    sessions = make.counts["conversation_sessions"]
    session = key("conversation_sessions", max(0, row * sessions // make.counts[table] - make.below(5)))
    if row % 2 == 0:
        return (row + 1, session, "user", make.text(200), None, None, None, None, None, make.time(table, row))
    thinking = make.text(300) if row % 20 == 1 else None
    numbers = (make.below(4000), make.below(30_000))
    model = MODELS[row // 2 % 4]
    return (row + 1, session, "assistant", make.text(650), model, None, thinking, *numbers, make.time(table, row))


def _usage_log(make: _Maker, row: int) -> Values:
    table = "agent_usage_logs"
    success = row % 15 != 0
    refs = (make.ref("users"), make.ref("conversation_sessions"), f"agent-{row % 40}")
    texts = (make.text(100), make.text(120))
    numbers = (make.below(30_000), make.below(4000), success)
    return (row + 1, make.time(table, row), *refs, *texts, *numbers, None if success else "timeout: it didn't answer")


def _feedback(make: _Maker, row: int) -> Values:
    table = "agent_feedback"
    texts = (make.maybe_text(200), make.text(150), make.text(400), make.json())
    refs = (f"agent-{row % 40}", make.ref("users"))
    return (key(table, row), *refs, 1 + row % 5, *texts, make.time(table, row))


def _audit(make: _Maker, row: int) -> Values:
    what = (ACTIONS[row % 6], make.ref("users"), "session" if row % 2 else None, f"resource-{row % 997}")
    browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" if row % 7 else None
    return (row + 1, make.time("audit_logs", row), *what, make.json(), f"192.0.2.{row % 256}", browser)


def _alert(make: _Maker, row: int) -> Values:
    table = "alert_history"
    seen = row % 3 == 0
    what = (("latency", "quota", "error_rate")[row % 3], ("info", "warning", "critical")[row % 3], f"Alert {row} ⚠️")
    created, acknowledged = make.time(table, row), make.time(table, row, 600) if seen else None
    by = make.ref("users") if seen else None
    return (row + 1, *what, make.maybe_text(300), make.json(), seen, by, created, acknowledged)


def _memory(make: _Maker, row: int) -> Values:
    table = "user_memories"
    users = make.counts["users"]
    what = (key("users", row % users), CATEGORIES[row // users % 6], f"key_{row}", make.text(200))
    used = (make.below(101) / 100, make.below(50), make.time(table, row, 3000) if row % 3 else None)
    session = make.ref("conversation_sessions") if row % 2 else None
    expires = "9999-12-31 23:59:59" if row % 50 == 0 else None
    return (key(table, row), *what, *used, session, make.time(table, row), make.time(table, row, 2000), expires)


def _memory_tag(make: _Maker, row: int) -> Values:
    memories = make.counts["user_memories"]
    return (row + 1, key("user_memories", row % memories), TAGS[row // memories])


def _research(make: _Maker, row: int) -> Values:
    table = "research_sessions"
    done = row % 4 != 0
    status, progress = ("completed", 100) if done else ("running", make.below(100))
    texts = (make.text(600), make.json(), make.json()) if done else (None, None, None)
    times = (make.time(table, row), make.time(table, row, 3000), make.time(table, row, 3000) if done else None)
    depth = ("quick", "standard", "deep")[row % 3]
    return (key(table, row), make.ref("users"), make.text(80), status, depth, progress, *texts, *times)


def _research_step(make: _Maker, row: int) -> Values:
    sessions = make.counts["research_sessions"]
    place = (key("research_sessions", row % sessions), 1 + row // sessions, ("search", "read", "compare")[row % 3])
    texts = (make.text(100), make.maybe_text(800), make.json(), "completed")
    return (row + 1, *place, *texts, make.time("research_steps", row))


def _offer(make: _Maker, row: int) -> Values:
    table = "agent_marketplace"
    texts = (f"Offer {row} ⭐", make.text(150), make.maybe_text(1500), "analysis", make.json(), "🤖")
    flags = (float(row % 5), row % 5 == 0, row % 10 == 0, row % 3 == 0)
    numbers = (make.below(5000), make.below(51) / 10, make.below(200), f"1.{row % 10}.0", "approved")
    created, updated = make.time(table, row), make.time(table, row, 9000)
    return (
        key(table, row),
        make.ref("custom_agents"),
        make.ref("users"),
        *texts,
        *flags,
        *numbers,
        created,
        updated,
        updated,
    )


def _pair(make: _Maker, row: int) -> tuple[str, str]:
    """The row-th of all pairs of an offer and a user."""
    offers = make.counts["agent_marketplace"]
    return key("agent_marketplace", row % offers), key("users", row // offers)


def _review(make: _Maker, row: int) -> Values:
    texts = (make.maybe_text(50), make.text(400))
    return (key("agent_reviews", row), *_pair(make, row), 1 + row % 5, *texts, row % 9, make.time("agent_reviews", row))


def _installation(make: _Maker, row: int) -> Values:
    return (row + 1, *_pair(make, row), make.time("agent_installations", row))


def _canvas(make: _Maker, row: int) -> Values:
    table = "canvas_documents"
    refs = (make.ref("users"), make.ref("conversation_sessions") if row % 3 else None)
    texts = (make.text(60), ("document", "code", "diagram", "table")[row % 4], make.text(2000), None)
    shared = (1 + row % 3, row % 4 == 0, f"share-{row:016x}" if row % 4 == 0 else None)
    return (key(table, row), *refs, *texts, *shared, make.time(table, row), make.time(table, row, 7000))


def _canvas_version(make: _Maker, row: int) -> Values:
    documents = make.counts["canvas_documents"]
    place = (key("canvas_documents", row % documents), 1 + row // documents)
    return (row + 1, *place, make.text(2000), make.maybe_text(80), make.ref("users"), make.time("canvas_versions", row))


def _connection(make: _Maker, row: int) -> Values:
    table = "external_connections"
    users = make.counts["users"]
    what = (key("users", row % users), SERVICES[row // users], f"made-up-{row:032x}", None, make.time(table, row, 3600))
    account = (f"user{row % users}@example.org", f"사용자 {row}", make.json(), row % 8 != 0)
    return (key(table, row), *what, *account, make.time(table, row), make.time(table, row, 3000))


def _file(make: _Maker, row: int) -> Values:
    table = "external_files"
    what = (make.ref("external_connections"), f"file-{row}", f"보고서 {row}.md", "text/markdown", make.below(2_000_000))
    url = f"https://example.org/files/{row}?a=1&b=%20"
    return (key(table, row), *what, url, make.time(table, row, 60), make.maybe_text(3000), make.time(table, row))


def _api_usage(make: _Maker, row: int) -> Values:
    table = "api_usage"
    date = (START + timedelta(days=row // 4)).date().isoformat()
    api_key = (None, "key-a", "key-b", "key-c")[row % 4]
    numbers = (make.below(10_000), make.below(9_000_000), make.below(50), make.below(400_000) / 64)
    return (row + 1, date, api_key, *numbers, make.json(), make.time(table, row), make.time(table, row, 50_000))


_ROW_OF: dict[str, Callable[[_Maker, int], Values]] = {
    "users": _user,
    "conversation_sessions": _session,
    "custom_agents": _agent,
    "conversation_messages": _message,
    "agent_usage_logs": _usage_log,
    "agent_feedback": _feedback,
    "audit_logs": _audit,
    "alert_history": _alert,
    "user_memories": _memory,
    "memory_tags": _memory_tag,
    "research_sessions": _research,
    "research_steps": _research_step,
    "agent_marketplace": _offer,
    "agent_reviews": _review,
    "agent_installations": _installation,
    "canvas_documents": _canvas,
    "canvas_versions": _canvas_version,
    "external_connections": _connection,
    "external_files": _file,
    "api_usage": _api_usage,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.database", description="Make a benchmark database."
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="1 makes 1,096,476 rows (default)")
    arguments = parser.parse_args()
    started = time.perf_counter()
    rows = make_benchmark(arguments.path, scale=arguments.scale)
    seconds = time.perf_counter() - started
    megabytes = arguments.path.stat().st_size / 1e6
    sys.stdout.write(f"{arguments.path}: {rows:,} rows, {megabytes:.0f} MB, {seconds:.0f} s\n")


if __name__ == "__main__":
    main()
