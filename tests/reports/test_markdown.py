from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from kdeploy.formatting.untrusted import spelled_out
from kdeploy.reports import markdown
from tests.reports.report_records import bench, comparison, records, summary

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
SIGNS = "|`*_[]()#<>&~\\-+=!.:1) \thttps://www.x@y\n"


def printed(text: str) -> str:
    """A text as a reader of the page sees it: runs of blanks are one."""
    return " ".join(spelled_out(text).split())


def seen(source: str) -> list[str]:
    """The texts of a document by block; fails on anything but text inside of them."""
    found = []
    for token in READER.parse(source):
        for child in token.children or ():
            assert child.type == "text", child
        if token.type == "inline":
            found.append("".join(child.content for child in token.children))
    return found


def test_a_table_row_has_the_cells_it_was_given():
    made = markdown.table(("a", "b"), [("x|y", "`1`"), ("# c", "<b>")])
    assert made == "| a | b |\n| :-- | --: |\n| x\\|y | \\`1\\` |\n| &#35; c | &lt;b&gt; |"


@example("#", "|")
@example("`a|b`", "\\|")
@example("1.", "- x")
@example("&amp;", "&#35;")
@given(st.text(SIGNS, max_size=12), st.text(max_size=12))
def test_any_text_prints_as_it_is_in_a_table_and_in_a_paragraph(first, second):
    made = markdown.table(("one", "two"), [(first, second)])
    assert seen(made) == ["one", "two", printed(first), printed(second)]
    assert [token.tag for token in READER.parse(made) if token.type == "td_open"] == ["td", "td"]
    alone = markdown.escaped(first)
    assert seen(alone) == [printed(first)] * bool(alone)
    assert {token.type for token in READER.parse(alone)} <= {"paragraph_open", "inline", "paragraph_close"}


@given(st.text(SIGNS))
def test_no_text_becomes_a_link_a_mention_or_html(text):
    made = markdown.escaped(text)
    assert not {"@", "<"} & set(made) and "://" not in made and "www." not in made.lower()


def test_the_markdown_of_a_run_has_the_claim_the_tables_the_machine_and_the_command():
    made = markdown.of_run(summary(), bench())
    assert made.startswith("**The student is at least 6.5\u00d7 as fast as its teacher")
    for line in (
        "| teacher | 97.05 % | 288,170 | 25.3 MMAC | 1.16 MB |",
        "| student, mean of 3 seeds | 96.73 % | 440,714 | 1.07 MMAC | 1.76 MB |",
        "| onnxruntime, batch 1, 1 thread | student | 0.241 ms | teacher | 1.63 ms "
        "| 6.7\u00d7 | 6.5 to 7.0\u00d7 | 12 | supported |",
        "- Student &gt;= 6.5x faster than teacher.",
        "    kdeploy bench",
    ):
        assert line in made.splitlines(), line
    assert "on Example CPU &#64; 2.70GHz, 2 logical CPUs, Debian GNU/Linux 12" in made
    assert made.endswith("    kdeploy bench\n")


def test_a_run_without_times_has_its_models_alone():
    found = records(bench=None)
    assert "process pairs" not in markdown.of_run(summary(found), None)


def test_a_refused_comparison_has_no_number_and_its_reason():
    refused = comparison(status="refused", reasons=("noisy",), text="no claim about student and teacher: noisy")
    made = markdown.of_bench(bench(comparison=(refused,)))
    assert "| student | 0.241 ms | teacher | 1.63 ms |  |  | 12 | refused |" in made
    assert "- No claim about student and teacher: noisy." in made


def test_a_command_cannot_leave_its_block():
    made = markdown.of_bench(bench(command=("kdeploy", "bench", "a\n\n# b.onnx", "`c`.onnx")))
    assert [token.content for token in READER.parse(made) if token.type == "code_block"] == [
        "kdeploy bench 'a  # b.onnx' '`c`.onnx'\n"
    ]


@pytest.mark.parametrize("name", ["<script>", "a|b", "[x](y)", "\u202e"])
def test_a_models_name_is_escaped_wherever_it_stands(name):
    found = bench()
    arms = tuple(arm.model_copy(update={"model": name}) for arm in found.arms)
    made = markdown.of_bench(found.model_copy(update={"arms": arms}))
    assert name not in made
    assert spelled_out(name) in "\n".join(seen(made.replace("**", "").rpartition("    kdeploy")[0]))
