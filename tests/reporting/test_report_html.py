"""The rendered page and the display in Jupyter: what they say, what they never let through, and how they behave."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support import report_examples as examples
from support.report_examples import SECRET

from etl.core.report import (
    DifferenceTotal,
    DriftReport,
    ExpectationReport,
    Outcome,
    SourceReport,
    Status,
    TableReport,
    TargetReport,
)
from etl.reporting.charts import SHOWN_BARS, difference_chart, reject_chart, table_bars
from etl.reporting.html import render_display, render_html
from etl.reporting.markdown import render_markdown
from etl.reporting.report import Report
from etl.reporting.verdict import Tone, verdict_of
from etl.reporting.view import SHOWN_EXAMPLES, SHOWN_GROUPS
from etl.reporting.write import write_report

EXAMPLES: list[Callable[[], Report]] = [
    examples.clean,
    examples.bad,
    examples.hostile,
    examples.many_differences,
    examples.dry_run,
    examples.failed,
    examples.unconfirmed,
    examples.compare_only,
    examples.synced,
]
INLINE = {"a", "b", "em", "i", "mark", "span", "strong", "wbr"}
VOID = {"meta", "br", "rect", "wbr"}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


class Page(HTMLParser):
    """Elements with their attributes, the text outside of style and script, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self._text: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._text.append("" if tag in INLINE else " ")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in {"style", "script"}:
            self._text.append(data)

    @property
    def text(self) -> str:
        """All text with single spaces."""
        return " ".join("".join(self._text).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of every element of that name."""
        return [attributes for name, attributes in self.elements if name == tag]


def section(html: str, heading: str) -> str:
    """The text of one section."""
    found = re.search(rf"<section[^>]*>\s*<h2>{heading}.*?</section>", html, re.DOTALL)
    assert found, heading
    return Page(found[0]).text


# -- what it says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "label", "title"),
    [
        (examples.clean(), "Reconciled", "All 820 rows of 2 tables arrived, and every value was compared."),
        (
            examples.report(examples.uncompared(examples.table())),
            "Rows counted, values not compared",
            "All 5 rows of 1 table arrived; values were not compared.",
        ),
        (
            examples.bad(),
            "Not reconciled",
            examples.BAD_TITLE,
        ),
        (
            examples.report(examples.table(rows=1)),
            "Reconciled",
            "The only row of 1 table arrived, and every value was compared.",
        ),
        (examples.report(examples.table(rows=0)), "Reconciled", "1 table had no rows to move."),
        (
            examples.report(examples.table(target_rows_after=4)),
            "Not reconciled",
            "The target's row counts do not add up.",
        ),
        (
            examples.report(
                examples.table(), drift=(DriftReport("users", "a", "column_missing_in_target", 3, "", settled=False),)
            ),
            "Not reconciled",
            "3 values did not arrive, in columns that the target lacks.",
        ),
        (
            examples.report(
                examples.table(),
                drift=(DriftReport("users", "a", "column_missing_in_target", 3, "left behind, kept", code="dropped"),),
            ),
            "Reconciled",
            "All 5 rows of 1 table arrived, and every value was compared, but for 3 values in dropped columns.",
        ),
        (
            examples.report(examples.table(extra_rows=2)),
            "Not reconciled",
            "The target has 2 rows that the source has not.",
        ),
        (examples.report(examples.table(different_rows=1)), "Not reconciled", "1 of 5 rows differs from the source."),
        (
            examples.report(examples.table(), TableReport("notes", Status.NOT_MIGRATED, source_rows=12)),
            "Not reconciled",
            "All 5 rows of 1 table arrived; 12 rows of 1 more table were not loaded.",
        ),
        (
            examples.report(examples.table(loaded_rows=0, present_rows=5, target_rows_before=5)),
            "Reconciled",
            "All 5 rows of 1 table were there already, and every value was compared.",
        ),
        (
            examples.report(examples.table(loaded_rows=4, target_rows_after=4, unaccounted_rows=1, missing_rows=1)),
            "Not reconciled",
            "1 of 5 rows did not arrive.",
        ),
        (
            examples.compare_only(matched_rows=2, different_rows=1, missing_rows=2),
            "Not reconciled",
            "2 of 5 rows are missing from the target, and 1 differs from the source.",
        ),
        (examples.dry_run(), "Dry run, nothing written", "Dry run: 2 of 100 rows would not arrive."),
        (examples.failed(), "Failed", "The run failed."),
        (examples.unconfirmed(), "Not confirmed", "Whether the rows were committed is not known."),
        (
            examples.synced(),
            "Not reconciled",
            "1 of 14 rows did not arrive, and 2 differ from the source.",
        ),
        (examples.compare_only(), "Reconciled", "All 5 rows of 1 table match the source, value by value."),
    ],
)
def test_outcome_comes_first(report: Report, label: str, title: str) -> None:
    html = render_html(report)
    assert [unescape(found) for found in re.findall(r"<h1>(.*?)</h1>", html)] == [title]
    assert f"{label} {title}" in Page(html).text


@pytest.mark.parametrize(
    ("report", "notes"),
    [
        (examples.clean(), ["820 rows match in every value; none is rejected", "All 2 expectations held."]),
        (
            examples.bad(),
            [
                "8 rows were rejected",
                "1,204 rows were not loaded in a table that the target lacks",
                "1 row is missing from the target",
                "6 rows have other values in the target than in the source",
                "3 rows were in the target before, with the same key but other content",
                "3 rows were in the target before, with the same content",
                "2 rows are only in the target",
                "3 rows were in the target before and not in the source",
                "2 values did not arrive: the target lacks their columns",
                "700 numbers kept as many digits as the target's type has",
                "1,149 rows were compared value by value: 1,140 match, 9 differ.",
                "5 values were dropped on purpose: the target lacks their columns",
            ],
        ),
        (
            examples.dry_run(),
            ["2 rows would be rejected", "Nothing was written", "Validation was skipped: no expectation was checked."],
        ),
        (examples.report(examples.uncompared(examples.table())), ["Values were not compared with the source"]),
        (
            examples.report(examples.table(), examples.uncompared(examples.table("b"))),
            ["Values were compared in some of the tables only."],
        ),
        (examples.failed(), ["unless the message says otherwise, the target is as it was before"]),
        (examples.unconfirmed(), ["either all the rows below were committed, or none"]),
    ],
)
def test_what_was_found_and_what_was_not_done(report: Report, notes: list[str]) -> None:
    header = Page(render_html(report).split("<body>")[1].split("<main>")[0]).text
    assert [note for note in notes if note not in header] == []


@pytest.mark.parametrize(
    ("expectations", "note"),
    [
        (
            [examples.expectation(severity="warning", unexpected_rows=5)],
            "1 warning: 5 rows of users.role are not as expected; a warning stops no row.",
        ),
        (
            [examples.expectation(severity="warning", unexpected_rows=5, column=name) for name in "ab"],
            "2 warnings: 10 values are not as expected; a warning stops no row.",
        ),
        ([examples.expectation(column=None)], "1 expectation of a whole table does not hold."),
    ],
)
def test_a_warning_reads_as_a_warning(expectations: list[ExpectationReport], note: str) -> None:
    report = examples.report(examples.table(), expectations=tuple(expectations))
    assert note in [found.text for found in verdict_of(report).notes]
    assert note in render_markdown(report)


def test_rows_that_a_critical_expectation_rejects_are_one_finding() -> None:
    failing = examples.expectation(unexpected_rows=1)
    report = examples.report(examples.table(loaded_rows=4, rejected_rows=1), expectations=(failing,))
    assert [note.text for note in verdict_of(report).notes if note.tone is Tone.BAD] == [
        "1 row was rejected, for the reasons listed."
    ]
    assert not [note for note in verdict_of(report).notes if "expectation" in note.text]


def test_a_comparison_alone_does_not_speak_of_rejects() -> None:
    for report in (examples.compare_only(), examples.compare_only(matched_rows=4, missing_rows=1)):
        for shown in (Page(render_html(report)).text, render_markdown(report), render_display(report)):
            assert "reject" not in shown.lower()
            assert "not migrated" not in shown


def test_nothing_is_claimed_that_was_not_done() -> None:
    for report in (examples.report(examples.uncompared(examples.table())), examples.dry_run(), examples.failed()):
        text = Page(render_html(report)).text
        assert "every value was compared" not in text
        assert "matched" not in text.lower()


def test_what_was_compared_with_what() -> None:
    facts = section(render_html(examples.clean()), "What was compared with what")
    for fact in (
        *("data/unified.db", "SQLite 3.40.1, 487,424 bytes", "postgresql://app@db:5432/chat", "PostgreSQL 18.4"),
        *("2026-11-22 22:43:21 UTC", "for 4 min 7 s", "20261122T224321Z-5feda1", "exit code 0"),
    ):
        assert fact in facts


def test_rows_add_up_before_the_readers_eyes() -> None:
    text = Page(render_html(examples.bad())).text
    assert "1,160 rows in the source = 1,146 loaded + 6 already present + 8 rejected + 0 unaccounted for" in text
    assert "1,140 matched 9 different 1 missing 2 only in the target 3 there before" in text


def test_a_sync_has_an_equation_of_its_own() -> None:
    html = render_html(examples.synced())
    text = Page(html).text
    assert (
        "14 rows in the source = 9 matched before + 2 inserted + 1 updated + 1 left as they are + 1 rejected "
        "+ 0 unaccounted for 3 deleted from the target"
    ) in text
    assert "Rows 2 inserted, 1 updated, 3 deleted (what they were before: overwritten/)." in text
    assert "1 row altered by the target itself as they were written" in text
    headings = section(html, "Tables")
    assert "Source Inserted Updated Kept Deleted Altered by the target Rejected" in headings
    assert "Loaded" not in headings


def test_tables_with_findings_stand_first_and_are_marked() -> None:
    html = render_html(examples.bad())
    marks = re.findall(r'aria-label="(settled|needs attention)".*?<span class="data">(\w+)</span>', html)
    assert marks == [
        *(("needs attention", name) for name in ("users", "sessions", "messages")),
        ("settled", "settled"),
    ]
    assert "4 tables 1,160 1,146 6 8 4 1,150 1,140 9 1 5 1.00" in section(html, "Tables")


def test_columns_without_content_are_left_out() -> None:
    headings = section(render_html(examples.dry_run()), "Tables")
    assert "Source Loaded Rejected Seconds" in headings
    assert (
        "0 in every table, and so left out here: present, present but different, unaccounted, target before."
        in headings
    )
    headings = section(render_html(examples.compare_only()), "Tables")
    assert "0 in every table, and so left out here: different, missing, extra." in headings
    assert "Source Target Matched Seconds" in headings


@pytest.mark.parametrize(
    ("heading", "facts"),
    [
        ("Tables that only one side has", ["legacy_notes (1,204 rows)", "not migrated", "skipped: alert_history"]),
        (
            "Rejected rows",
            ["5 users.created_at 0000-00-00 is not a date id = 'u-4' '0000-00-00' row 9 convert rejects/users.ndjson"],
        ),
        (
            "Differences",
            [
                "4 messages.name changed text (in a row that was there before) differences/messages.ndjson",
                "2 messages.sent_at time shifted: −9 h, the whole column",
                "3 messages row only in the target differences/messages.ndjson",
                "id = 7 'Anna' text 'Anne'",
                "0.5 real 0.25",
                "which is no difference: messages.score (700 numbers).",
                "row missing in the target id = 9, share_token = a hidden value",
                "tag = 'blue' no such row",
            ],
        ),
        (
            "Expectations",
            [
                "1 of 3 expectations held; 1 warning.",
                "8 users.role role is one of 'user', 'admin'",
                "critical",
                "id = 'u-7' '' warning warnings/users.ndjson",
                "without the last 100,000",
            ],
        ),
        (
            "How the two schemas differ",
            [
                "users.theme column only in the source 5 left behind",
                "users.locale column only in the source 2 not comp",
            ],
        ),
        ("Time", ["plan 0.10 s load 2.0 s"]),
    ],
)
def test_sections(heading: str, facts: list[str]) -> None:
    text = section(render_html(examples.bad()), heading)
    assert [fact for fact in facts if fact not in text] == []


def test_sections_with_nothing_to_say_are_one_line_or_absent() -> None:
    html = render_html(examples.clean())
    assert section(html, "Rejected rows") == "Rejected rows None."
    assert section(html, "Differences") == "Differences None, in 820 rows that were compared."
    assert section(html, "Expectations") == "Expectations All 2 expectations held."
    assert "audit_logs_id_seq audit_logs.id 20 21" in section(html, "Sequences")
    for heading in ("Tables that only", "Present before", "Columns that only"):
        assert f"<h2>{heading}" not in html


def test_a_failed_run_shows_its_message_and_no_empty_sections() -> None:
    text = Page(render_html(examples.failed())).text
    assert "The source has columns users.theme (5 values) Nothing was written." in text
    assert "Rejected rows" not in text
    assert "Tables" not in text


def test_long_lists_are_cut_and_say_so() -> None:
    html = render_html(examples.many_differences())
    text = section(html, "Differences")
    assert len(re.findall(r"\b50 messages\.column_\d+ changed text", text)) == SHOWN_GROUPS
    assert f"and {200 - SHOWN_GROUPS} more kinds in report.json" in text
    assert f"and {10_000 - SHOWN_EXAMPLES:,} more examples in report.json" in text
    assert len(html) < 100_000


def test_bars_are_proportional_and_never_hide_a_rejected_row() -> None:
    large, half = examples.table("a", 1_000_000, loaded_rows=999_999, rejected_rows=1), examples.table("b", 500_000)
    found = table_bars([large, half, examples.table("none", 0)])
    shares = found["a"].shares
    assert [segment.kind for segment in shares] == ["loaded", "bad"]
    assert shares[1].width >= 1.5
    assert sum(segment.width for segment in shares) <= 101.5
    assert max(segment.start + segment.width for segment in shares) <= 100
    assert found["b"].shares[0].width == 100
    assert (found["a"].size, found["b"].size, found["none"].size) == (100, 50, 0)


def test_pictures_sum_up_and_leave_out_the_shortest_bars() -> None:
    chart = reject_chart([("parent rejected", 5), ("not a time", 3), ("parent rejected", 5)])
    assert [(bar.label, bar.rows, bar.width) for bar in chart.bars] == [
        ("parent rejected", 10, 100),
        ("not a time", 3, 30),
    ]
    chart = difference_chart(examples.many_differences().difference_kinds)
    assert (len(chart.bars), chart.more_bars, chart.more_rows) == (
        SHOWN_BARS,
        200 - SHOWN_BARS,
        (200 - SHOWN_BARS) * 50,
    )
    assert not reject_chart([("not a time", 3)])
    text = Page(render_html(examples.bad())).text
    assert (
        "Rejected rows by reason 0000-00-00 is not a date 5 invalid input value for enum kind: a hidden value 3" in text
    )
    assert "Differences by column messages.name 4 messages row only in the target 3 messages.sent_at 2" in text


def test_shifts_that_read_the_same_are_one_group() -> None:
    kinds = tuple(DifferenceTotal("t", "c", "time_shifted", 2, shift_seconds=-32_400 - part) for part in range(5))
    report = examples.report(examples.table("t", 10, different_rows=10, matched_rows=0), difference_kinds=kinds)
    assert section(render_html(report), "Differences").count("time shifted") == 1


def test_whoever_signs_finds_what_was_loaded_to_the_bit() -> None:
    source = SourceReport("a.db", 5, "3.40.1", "/data/a.db", "ab" * 32, "cd" * 32)
    socket = "postgresql://postgres@/my%20app?host=%2Fsrv%2Fpg%2Fsocket&port=5432"
    report = examples.report(examples.table(), source=source, target=TargetReport(socket, "18.4", embedded=True))
    facts = section(render_html(report), "What was compared with what")
    assert "/data/a.db SQLite 3.40.1, 5 bytes Target my app in /srv/pg embedded PostgreSQL 18.4" in facts
    assert f"SHA-256 {'ab' * 32} of the source {'cd' * 32} of its write-ahead log" in facts
    text = Page(render_html(report)).text
    assert "Run 20261122T224321Z-5feda1, of /data/a.db, is ☐ accepted ☐ declined Name Date Signature" in text
    assert "accepted" not in Page(render_html(examples.failed())).text
    assert "my app in /srv/pg" in render_markdown(report)
    assert "ab" * 32 in render_markdown(report)


# -- what it must not let through ---------------------------------------------------------------------------------


@pytest.mark.parametrize("render", [render_html, render_display])
def test_texts_from_the_data_stay_texts(render: Callable[[Report], str]) -> None:
    harmless = Page(render(examples.bad()))
    page = Page(render(examples.hostile()))
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in harmless.elements} | {"p"}
    assert {name for _, attributes in page.elements for name in attributes} <= {
        name for _, attributes in harmless.elements for name in attributes
    }
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }} {% raw %} &lt;b&gt; &amp;" in page.text


@pytest.mark.parametrize("render", [render_html, render_display])
def test_control_characters_are_visible(render: Callable[[Report], str]) -> None:
    html = render(examples.hostile())
    assert set(re.findall(r"[^\n\x20-\x7e]", html)) <= set("☐✓✗–·…␀␇␛␡␊⟨⟩↑↓≥≤−␣i!")
    assert "nul␀ escape␛[31m bell␇ delete␡ next⟨U+0085⟩line⟨U+2028⟩separator" in html
    assert "⟨U+202E⟩right to left⟨U+202C⟩" in html


def test_references_stay_within_the_report_folder() -> None:
    for report in EXAMPLES:
        page = Page(render_html(report()))
        links = [attributes["href"] or "" for attributes in page.all("a")]
        assert [
            link for link in links if not re.fullmatch(r"(rejects|warnings|differences)/[\w.%~-]+|report\.json", link)
        ] == []
        assert not {"link", "img", "iframe", "object", "form", "base"} & {tag for tag, _ in page.elements}
        assert not [a for _, a in page.elements if {"src", "srcset", "style", "action"} & set(a)]
        style = render_html(report()).split("<style>")[1].split("</style>")[0]
        assert "url(" not in style
        assert "@import" not in style


def test_secrets_are_hidden() -> None:
    report = examples.bad()
    assert SECRET.encode() in report.to_json()
    for html in (render_html(report), render_display(report)):
        assert SECRET not in html
        assert "a hidden value" in html


def test_the_policy_allows_nothing_but_the_page_itself() -> None:
    policy = next(a["content"] for a in Page(render_html(examples.clean())).all("meta") if "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy


# -- for whom -----------------------------------------------------------------------------------------------------


def test_structure_for_those_who_do_not_see_it() -> None:
    page = Page(render_html(examples.bad()))
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert all("scope" in heading or "class" in heading for heading in page.all("th"))
    assert all(region.get("aria-label") for region in page.all("div") if region.get("role") == "region")
    assert [icon for icon in page.all("svg") if icon.get("aria-hidden") != "true"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", render_html(examples.clean()), re.DOTALL)
    colour = dict(re.findall(r"--([\w-]+): (#\w{6})", blocks[0 if scheme == "light" else 1]))
    on_paper = {
        name: contrast(colour[name], colour["paper"]) for name in ("text", "quiet", "good", "note", "caution", "bad")
    }
    assert min(on_paper.values()) >= 4.5, on_paper
    assert contrast(colour["mark-text"], colour["mark"]) >= 4.5
    assert contrast(colour["text"], colour["raised"]) >= 4.5
    assert all(contrast(colour[name], colour["paper"]) >= 2 for name in ("loaded", "present", "time"))


def contrast(one: str, other: str) -> float:
    """WCAG 2.1, relative luminance."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_display_is_small_and_takes_the_notebooks_colours() -> None:
    html = render_display(examples.clean())
    assert examples.clean()._repr_html_() == html
    assert Page(html).text.startswith("✓ All 820 rows of 2 tables arrived, and every value was compared.")
    assert "color:" not in html
    assert "<script" not in html
    assert len(html) < 3_000


def test_files_are_written_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    assert write_report(examples.bad(), folder) == folder / "report.json"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.md"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert json.loads((folder / "report.json").read_bytes())["outcome"] == "differences"
    assert (folder / "report.html").read_text() == render_html(examples.bad())


# -- in a notebook ------------------------------------------------------------------------------------------------


def test_a_display_shows_first_what_asks_for_attention() -> None:
    headings = re.findall(r"<th[^>]*>([^<]*)</th>", render_display(examples.bad()).split("</thead>")[0])
    columns = {heading: place for place, heading in enumerate(headings)}
    assert headings[:2] == ["Table", "Source"]
    assert columns["Rejected"] < columns["Loaded"]
    assert columns["Missing"] < columns["Matched"]


@pytest.mark.parametrize(("report", "opened"), [(examples.clean, True), (examples.bad, True), (examples.dry_run, True)])
def test_a_display_folds_the_tables_away_only_where_nothing_is_to_be_seen(
    report: Callable[[], Report], opened: bool
) -> None:
    assert ("<details open>" in render_display(report())) is opened
    settled = replace(examples.clean(), outcome=Outcome.DRY_RUN)
    assert "<details>" in render_display(settled)


# -- in a browser -------------------------------------------------------------------------------------------------

# The page stands unchanged, with its own policy, in a frame; this script beside it clicks, and writes what it sees.
_DRIVER = """<!DOCTYPE html><meta charset="utf-8"><body><iframe style="width:WIDTHpx;height:700px;border:0"></iframe>
<script>
const frame = document.querySelector("iframe");
frame.onload = () => {
  const page = frame.contentDocument, seen = {};
  const table = page.querySelector("table.tables");
  const names = () => [...table.tBodies[0].rows].map((row) => row.cells[0].querySelector(".data").textContent);
  const button = (text) => [...table.tHead.querySelectorAll("button")].find((item) => item.textContent === text);
  const sorted = () => [...table.tHead.querySelectorAll("[aria-sort]")];
  const state = () => sorted().map((item) => item.textContent + " " + item.ariaSort);
  seen.cards = frame.contentWindow.getComputedStyle(table).display === "block";
  const at = (cell) => cell.getBoundingClientRect();
  const cells = [...table.tBodies[0].rows[0].cells].filter((cell) => cell.dataset.label && at(cell).width);
  cells.sort((one, other) => at(one).top - at(other).top || at(one).left - at(other).left);
  seen.first = cells[0].dataset.label;
  seen.cut = [...page.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth + 1).length;
  seen.beyond = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  seen.paper = frame.contentWindow.getComputedStyle(page.body).backgroundColor;
  seen.start = names();
  for (const [step, text] of CLICKS.entries()) {
    button(text).focus();
    seen["focused" + step] = page.activeElement.textContent === text;
    button(text).click();
    seen["order" + step] = names();
    seen["state" + step] = state();
  }
  const result = document.createElement("pre");
  result.textContent = JSON.stringify(seen);
  document.body.append(result);
};
frame.srcdoc = PAGE;
</script>"""


def browse(
    html: str, clicks: list[str], folder: Path, *flags: str, width: int = 360
) -> tuple[dict[str, object], list[str]]:
    """What the page looks like in a frame of that width after each click, and what the browser complains about."""
    assert BROWSER is not None
    page = json.dumps(html).replace("</", "<\\/")
    driver = _DRIVER.replace("WIDTH", str(width)).replace("CLICKS", json.dumps(clicks)).replace("PAGE", page)
    (folder / "driver.html").write_text(driver)
    ran = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", *flags),
            *(f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=3000"),
            *("--dump-dom", f"file://{folder / 'driver.html'}"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = re.search(r"<pre>(.*?)</pre>", ran.stdout, re.DOTALL)
    assert found, ran.stderr
    return json.loads(unescape(found[1])), re.findall(r"CONSOLE.*", ran.stderr)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_in_a_browser_it_sorts(tmp_path: Path) -> None:
    seen, console = browse(render_html(examples.bad()), ["Source", "Source", "Table", "Table"], tmp_path, width=1280)
    assert console == []
    assert seen["beyond"] == 0
    assert seen["paper"] == "rgb(255, 255, 255)"
    assert seen["start"] == ["users", "sessions", "messages", "settled"]
    assert seen["order0"] == ["messages", "users", "sessions", "settled"]
    assert seen["order1"] == ["settled", "sessions", "users", "messages"]
    assert seen["order2"] == ["messages", "sessions", "settled", "users"]
    assert seen["order3"] == ["users", "settled", "sessions", "messages"]
    assert [seen[f"state{step}"] for step in range(4)] == [
        *(["Source descending"], ["Source ascending"], ["Table ascending"], ["Table descending"]),
    ]
    assert all(seen[f"focused{step}"] for step in range(4))


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_in_a_browser_hostile_texts_do_nothing_in_the_dark(tmp_path: Path) -> None:
    dark = "--blink-settings=preferredColorScheme=0"
    seen, console = browse(render_html(examples.hostile()), ["Rejected"], tmp_path, dark, width=1000)
    assert console == []
    assert seen["beyond"] == 0
    assert seen["paper"] == "rgb(21, 24, 27)"


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("report", [examples.bad(), examples.hostile()], ids=["bad", "hostile"])
def test_on_a_telephone_each_table_is_a_card_with_its_findings_first(report: Report, tmp_path: Path) -> None:
    seen, console = browse(render_html(report), [], tmp_path)
    assert console == []
    assert (seen["beyond"], seen["cards"], seen["first"]) == (0, True, "Rejected")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_at_1280_pixels_no_column_is_cut_off_however_large_the_numbers(tmp_path: Path) -> None:
    seen, _ = browse(render_html(examples.every_count_is_large()), [], tmp_path, width=1280)
    assert (seen["beyond"], seen["cut"], seen["cards"]) == (0, 0, False)
