"""Formulas of the documents are drawn by the browser alone: nothing is fetched to read a page."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![$`])\$([^$\n`]+)\$(?![$`])", flags=re.DOTALL)


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    pytest.importorskip("docutils", reason="docutils comes with 'make docs'")
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_formula_becomes_mathml(conf: ModuleType) -> None:
    found = 0
    for page in DOCS.rglob("*.md"):
        prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for block, inline in FORMULA.findall(prose):
            found += 1
            drawn = conf.to_mathml(block or inline, block=bool(block))
            assert drawn.startswith("<math")
            assert "\\" not in drawn, (page.name, block or inline)
    assert found >= 10


def test_an_index_stands_beside_a_letter_with_a_bar_and_a_prime_is_no_operation(conf: ModuleType) -> None:
    drawn = re.sub(r"\s", "", conf.to_mathml(r"\bar I_x = \bar{v} + r'", block=True))
    assert "munderover" not in drawn
    assert "</mrow><mi>x</mi></msub>" in drawn
    assert "<mi>r</mi><mi>′</mi>" in drawn


def test_built_pages_fetch_no_program(conf: ModuleType, tmp_path: Path) -> None:
    application = pytest.importorskip("sphinx.application", reason="sphinx comes with 'make docs'")
    pytest.importorskip("furo")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.md").write_text("# Page\n\n$$\\bar W_k = \\sum_y \\bar v_y$$\n\nand $a'$.\n")
    settings = {"html_static_path": [str(DOCS / "static")]}
    app = application.Sphinx(
        tmp_path / "src", DOCS, tmp_path / "out", tmp_path / "trees", "html", settings, status=None
    )
    app.build()
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count("<math") == 2
    assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//', page)
