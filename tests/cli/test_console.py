"""Tables that align, progress that stays off stdout."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from striate.cli.console import ProgressLine, format_table, print_json, print_result, print_table

WORD = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z", "M"]), max_size=12)


@given(st.lists(st.tuples(WORD, WORD), min_size=1, max_size=6))
def test_columns_align_whatever_the_width_of_the_letters(rows: list[tuple[str, str]]) -> None:
    lines = format_table(["", ""], rows, align="lr")
    first = max(cell_len(row[0]) for row in rows)
    second = max(cell_len(row[1]) for row in rows)
    for line, (left, right) in zip(lines, rows, strict=True):
        assert line.startswith(left)
        assert line == line.rstrip()
        if right:
            assert line.endswith(right)
            assert cell_len(line) == first + 2 + second


def test_an_empty_table_keeps_its_heading() -> None:
    assert format_table(["name", "size"], [], align="lr") == ["name  size"]
    assert format_table(["", ""], [["a\nb", "1"]], align="lr") == ["a\\nb  1"]  # a row is a line, whatever is in it


def test_a_row_of_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is"):
        format_table(["name", "size"], [["only"]], align="lr")


def test_lines_are_never_cut_or_wrapped_in_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    print_table(["", ""], [["x" * 300, "y" * 300]], align="ll")
    print_result("[bold]not markup[/bold] " + "z" * 500)
    out = capfd.readouterr().out
    assert out.splitlines() == ["x" * 300 + "  " + "y" * 300, "[bold]not markup[/bold] " + "z" * 500]


def test_progress_off_a_terminal_is_one_plain_line_a_stage(capfd: pytest.CaptureFixture[str]) -> None:
    with ProgressLine() as progress:
        for done in range(5):
            progress.update("occlusion", done, 5)
        with progress.aside():
            print_result("in between")
        progress.update("writing", 0, None)
    captured = capfd.readouterr()
    assert captured.err == "occlusion …\nwriting …\n"
    assert captured.out == "in between\n"


def test_progress_on_a_terminal_leaves_nothing_behind(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # Rich then takes any stream for a terminal
    with ProgressLine() as progress:
        progress.update("occlusion", 1, 4)
        with progress.aside():
            print_result("a result")
        progress.update("occlusion", 4, 4)
    captured = capfd.readouterr()
    assert captured.out == "a result\n"
    assert "occlusion" in captured.err
    assert captured.err.rstrip().endswith("\x1b[2K")  # the bar's line is erased


def test_json_is_one_document_and_never_nan(capfd: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "café", "values": [1.5]})
    assert json.loads(capfd.readouterr().out) == {"name": "café", "values": [1.5]}
    with pytest.raises(ValueError, match="JSON compliant"):
        print_json(float("nan"))
