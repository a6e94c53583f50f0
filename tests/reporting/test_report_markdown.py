"""report.md: what it says in brief, and that no text from the data becomes markup."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from support import report_examples as examples
from support.report_examples import HOSTILE, SECRET

from etl.reporting.markdown import SHOWN_LINES, escaped, render_markdown
from etl.reporting.report import Report


def lines_after(text: str, heading: str) -> list[str]:
    """The lines of a section."""
    return text.split(f"### {heading}\n")[1].split("\n### ")[0].strip().splitlines()


@pytest.mark.parametrize(
    ("make", "first", "label"),
    [
        (
            examples.clean,
            "## ✅ All 820 rows of 2 tables arrived, and every value was compared.",
            "**Reconciled** (exit code 0)",
        ),
        (
            examples.bad,
            f"## ❌ {examples.BAD_TITLE}",
            "**Not reconciled** (exit code 3)",
        ),
        (examples.dry_run, "## ⚠️ Dry run: 2 of 100 rows would not arrive.", "**Dry run, nothing written**"),
        (examples.failed, "## ❌ The run failed.", "**Failed** (exit code 1)"),
        (
            examples.unconfirmed,
            "## ❌ Whether the rows were committed is not known.",
            "**Not confirmed** (exit code 3)",
        ),
    ],
)
def test_outcome_comes_first(make: Callable[[], Report], first: str, label: str) -> None:
    text = render_markdown(make())
    assert text.splitlines()[0] == first
    assert label in text


def test_facts() -> None:
    text = render_markdown(examples.clean())
    assert "- Source: data/unified.db (SQLite 3.40.1)" in text
    assert "- Target: postgresql&#58;//app&#64;db&#58;5432/chat (PostgreSQL 18.4)" in text
    assert "- Run: 20261122T224321Z-5feda1, 2026-11-22 22:43:21 UTC, 4 min 7 s" in text


def test_tables() -> None:
    lines = render_markdown(examples.bad()).splitlines()
    assert "| ❌ users | 100 | 90 | 2 | 8 | 0 | 90 | 90 | 0 | 0 | 0 |" in lines
    assert "| settled | 10 | 10 | 0 | 0 | 0 | 10 | 10 | 0 | 0 | 0 |" in lines
    assert any(line.startswith("| **total** | **1,160** | **1,146** | **6** | **8** |") for line in lines)


def test_sections() -> None:
    text = render_markdown(examples.bad())
    assert "Only in the source, **not migrated**: legacy_notes (1,204 rows)." in text
    assert "Only in the target, skipped: alert_history." in text
    assert (
        "| 5 | users.created_at | 0000-00-00 is not a date | id = 'u-4': '0000-00-00'; row 9 | rejects/users.ndjson |"
        in text
    )
    assert "| 2 | messages.sent_at | time shifted: −9 h, the whole column | differences/messages.ndjson |" in text
    assert "| messages.name | id = 7 | 'Anna' | 'Anne' |" in text
    assert "| 8 | users.role | role is one of 'user', 'admin' | critical | – |" in text
    assert "| 200,000 | users.bio | role is one of 'user', 'admin' | warning | id = 'u-7': '' | warnings/users" in text
    assert "| users.theme | column only in the source | 5 | left behind, values kept in dropped/ |" in text


def test_a_failed_run_shows_its_message_as_it_is() -> None:
    assert "```\nThe source has columns\n  users.theme (5 values)\nNothing was written.\n```" in render_markdown(
        examples.failed()
    )
    assert "````\na```b\n````" in render_markdown(examples.report(error="a```b"))


def test_long_lists_are_cut_and_say_so() -> None:
    text = render_markdown(examples.many_differences())
    assert len(lines_after(text, "Differences")) == 2 + SHOWN_LINES + 2
    assert f"… and {200 - SHOWN_LINES} more in report.json." in text
    assert f"… and {10_000 - SHOWN_LINES:,} more in report.json." in text
    assert len(text) < 10_000


def test_secrets_are_hidden() -> None:
    text = render_markdown(examples.bad())
    assert SECRET not in text
    assert text.count("a hidden value") == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agent_usage_logs", "agent_usage_logs"),
        ("_hidden_ __x__", "&#95;hidden&#95; &#95;&#95;x&#95;&#95;"),
        ("a|b", "a&#124;b"),
        ("`code`", "&#96;code&#96;"),
        ("a\nb\r\n", "a␊b␍␊"),
        ("<b>&amp;", "&#60;b&#62;&#38;amp;"),
        ("[x](y) ![z](w)", "&#91;x&#93;(y) !&#91;z&#93;(w)"),
        ("https://x www.x", "https&#58;//x www&#46;x"),
        (
            "*a* ~b~ \\| @all #1 $x$ :smile:",
            "&#42;a&#42; &#126;b&#126; &#92;&#124; &#64;all &#35;1 &#36;x&#36; &#58;smile:",
        ),
        ("kind: text", "kind: text"),
        ("\u202ea\0", "⟨U+202E⟩a␀"),
    ],
)
def test_escaping(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_hostile_texts_break_no_table_and_make_no_markup() -> None:
    text = render_markdown(examples.hostile())
    outside = re.sub(r"^(`{3,})\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"[<>`\[\]\\~@]", outside)
    widths = {len(re.findall(r"\|", line)) for line in outside.splitlines() if line.startswith("|")}
    assert widths == {5, 6, 7}
    assert all(line.endswith("|") for line in outside.splitlines() if line.startswith("|"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\u200b]", text)
    assert len(outside.splitlines()) < 130
    assert escaped(HOSTILE[0]) in outside


def test_a_comparison_alone_says_nothing_of_what_a_load_would_have_done() -> None:
    alone = examples.compare_only()
    rejected = replace(alone, tables=tuple(replace(table, rejected_rows=2) for table in alone.tables), validated=False)
    text = render_markdown(rejected)
    assert "2 rows were rejected by the load, for the reasons in its own report." in text
    assert "Validation" not in text
