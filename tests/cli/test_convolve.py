"""`striate convolve` on the command line."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


def test_sizes_cost_and_field(run_cli: Callable[..., Any]) -> None:
    result = run_cli("convolve", "3x224x224", "conv f=7 s=2 p=3 n=64", "relu", "maxpool f=3 s=2 p=1")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "3×224×224 → 64×56×56"
    conv = next(line for line in lines if line.startswith("conv f=7"))
    assert "118,013,952" in conv
    assert "  o = ⌊(i + 2p − f)/s⌋ + 1 = ⌊(224 + 2·3 − 7)/2⌋ + 1 = 112  (rows and columns)" in lines
    assert lines[-1].startswith("Next    striate convolve 3x224x224 ")


def test_json_has_everything(run_cli: Callable[..., Any]) -> None:
    document = run_cli("convolve", "2x6x6", "conv f=3 n=2", "--compare", "--trace", "--json").json
    assert document["parameters"] == 38
    assert document["rows"][0]["sizes"][0]["symbols"] == "i − f + 1"
    assert document["rows"][0]["field"]["start"] == [0, 0]
    assert document["comparisons"][0]["rows"][0]["name"] == "standard"
    assert len(document["trace"]["layers"][0]["output"]) == 2


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["224", "conv f=7 s=2 p=? o=112"], "p = 3 on each side (a total of 6), or a total of 5 (3 and 2)."),
        (["i=224", "f=7", "s=2", "p=?", "o=112"], "p = 3 on each side (a total of 6), or a total of 5 (3 and 2)."),
        (["i=?", "f=7", "s=2", "p=3", "o=112"], "i = 223 or 224."),
        (["224", "conv f=11 p=2 s=?", "--output", "55"], "s = 4."),
        (["7", "conv f=?", "o=5"], "f = 3."),
        (["224", "maxpool f=? s=2", "o=112"], "f = 1 or 2."),
    ],
)
def test_questions(words: list[str], answer: str, run_cli: Callable[..., Any]) -> None:
    result = run_cli("convolve", *words)
    assert result.out.splitlines()[0] == answer
    assert "Next    striate convolve" in result.out


def test_the_next_command_of_a_question_gives_the_size_that_was_asked_for(run_cli: Callable[..., Any]) -> None:
    import shlex

    result = run_cli("convolve", "224", "conv f=4 p=?", "--output", "224")
    again = run_cli(*shlex.split(result.out.splitlines()[-1].removeprefix("Next    striate ")))
    assert again.code == 2  # the number of filters is still missing, and is asked for by name
    assert "n" in again.err


def test_traces_as_text_page_animation_and_matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("convolve", "5", "conv f=3 n=1", "--kernel", "1 0 -1; 1 0 -1; 1 0 -1")
    text = run_cli(*words, "--trace", "--limit", "4").out
    assert "  4. 8·1 + 6·0 + 5·(−1)" in text
    assert "more steps" in text
    rows = run_cli(*words, "--linear", "--limit", "2").out.splitlines()
    assert "patches 9×9 × weights 9×1 + bias = output 9×1" in rows
    assert "8 6 5 0 0 0 6 9 5 → 4" in rows
    assert "… and 7 more places" in rows
    assert run_cli(*words, "--linear", "--gif", "l.gif").code == 0
    assert Image.open("l.gif").n_frames == 9
    result = run_cli(*words, "--html", "a.html", "--gif", "a.gif", "--matrix", "a.png")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()[-4:]] == ["Page", "GIF", "Matrix", "Next"]
    assert "<!DOCTYPE html>" in Path("a.html").read_text(encoding="utf-8")
    assert Image.open("a.gif").n_frames == 9
    width, height = Image.open("a.png").size
    assert width == 25 * 16
    assert height > 9 * 16  # its scale below


@pytest.mark.parametrize(
    ("layer", "flag"),
    [("conv f=3 n=1", "--trace"), ("deconv f=4 s=2 n=1", "--json"), ("add(conv f=1 n=1 | )", "--json")],
)
def test_the_next_command_works(layer: str, flag: str, run_cli: Callable[..., Any]) -> None:
    assert run_cli("convolve", "8", layer).out.splitlines()[-1].endswith(f" {flag}")
    assert run_cli("convolve", "8", layer, flag).code == 0


def test_a_refused_animation_leaves_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_cli("convolve", "12", "flatten", "--html", "a.html", "--gif", "a.gif")
    assert result.code == 2
    assert not list(tmp_path.iterdir())


def test_a_fully_connected_layer_as_a_convolution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("convolve", "2x2x2", "flatten", "fc n=2", "--linear")
    lines = run_cli(*words).out.splitlines()
    at = lines.index("fc1 as a convolution: filters of 2×2×2, which cover the whole map")
    assert lines[at + 1] == "  3. Place it over rows 0, 1 and columns 0, 1."
    assert lines[at + 2].endswith("= 17, written to (0, 0) of filter 0.")
    assert lines[at + 4].endswith("written to (0, 0) of filter 1.")
    assert "… and 3 more steps" in run_cli(*words, "--limit", "1").out
    assert run_cli(*words, "--gif", "fc.gif").code == 0
    assert Image.open("fc.gif").n_frames == 2


def test_the_next_command_is_another_one(run_cli: Callable[..., Any]) -> None:
    words = ("convolve", "64x56x56", "conv f=3 p=1 n=64")
    assert run_cli(*words).out.splitlines()[-1].endswith(" --compare")
    assert run_cli(*words, "--compare").out.splitlines()[-1].endswith(" --json")


def test_steps_are_printed_beside_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_cli("convolve", "5", "conv f=3 n=1", "--trace", "--html", "a.html")
    assert "  2. Start at the left of row 0" in result.out
    assert "Page    a.html" in result.out


def test_every_convolution_of_a_network(run_cli: Callable[..., Any]) -> None:
    document = run_cli("convolve", "--network", "squeezenet1_1", "--json").json
    assert len(document["rows"]) == 26
    assert document["input_size"] == [1, 3, 224, 224]
    for given in ("3x64x96", "64x96"):
        assert run_cli("convolve", given, "--network", "squeezenet1_1", "--json").json["input_size"] == [1, 3, 64, 96]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Give INPUT and layers, such as"),
        (["224"], "Give at least one layer after INPUT"),
        (["cat", "relu"], "INPUT must be a size such as 224, 224x320 or 3x224x224 (channels first), got 'cat'."),
        (["3", "conv f=5 n=1"], "a kernel of 5 does not fit into 3"),
        (["8", "conv f=3 s=0 n=1"], "at least 1, got 0"),
        (["8", "conv f=3 s=-2 n=1"], "s"),
        (["8", "covn f=3 n=1"], "conv"),
        (["3x8x8", "conv f=3 n=4 g=2"], "2"),
        (["8", "conv f=3"], "n"),
        (["f=3", "s=2"], "Symbols need i (the input size)"),
        (["i=8", "s=2"], "Symbols need f (the filter size)"),
        (["8", "conv f=3 p=?"], "A question needs the output size: add o=112 or --output 112."),
        (["8", "conv f=3 p=?", "relu", "o=4"], "A question is about one layer, got 2."),
        (["8", "conv f=? p=?", "o=4"], "One thing can be asked for"),
        (["?", "maxpool f=3 s=2 ceil", "o=4"], "about sizes that are rounded down; leave out ceil"),
        (["?", "conv f=3 p=1x2", "o=4"], "A question is about one axis; padding differs between rows and columns"),
        (["8", "conv f=3 p=?", "o=4"], "No padding gives 4 from 8"),
        (["8", "conv f=3 n=1", "--limit", "0"], "--limit must be at least 1, got 0."),
        (["8", "conv f=3 n=1", "--trace", "--kernel", "1 2; 3"], "row 1 has 2 numbers, row 2 has 1."),
        (["900", "conv f=3 n=1", "--trace"], "at most 200,000 are kept"),
        (["8", "conv f=3 n=1", "--trace", "--seed", "-1"], "seed must be at least 0, got -1."),
        (["8", "conv f=3 n=99999999999", "--trace"], "would hold 899,999,999,991 numbers, and at most 200,000"),
        (["8", "conv f=3 n=1", "--html", "."], "--html must be a file to write, got the folder '.'."),
        (["8", "conv f=3 n=1", "--gif", "no/x.gif"], "--gif: there is no folder 'no'; make it first."),
        (["8", "conv f=3 p=?", "o=" + "9" * 5000], "o must be a whole number of at least 1, got '999"),
        (["9" * 5000, "conv f=3 n=1"], "INPUT must be a size such as"),
        (["40", "conv f=3 n=1", "--gif", "x.gif"], "An animation shows at most 24×24 numbers"),
        (["12", "flatten", "--gif", "x.gif"], "at most 96 numbers in a row, got 144"),
        (["8", "relu", "--linear"], "--linear needs a convolution among the layers"),
        (["8", "relu", "--matrix", "x.png"], "--matrix needs a convolution"),
        (["224", "conv f=7 s=2 p=3 n=64", "o=100"], "o=100 is for a question: write ? for what is asked for"),
        (
            ["8", "conv f=3 n=1", "--photo", "cat.png"],
            "--photo is for a trace: add --trace, --html FILE or --gif FILE.",
        ),
        (["8", "conv f=3 n=1", "--kernel", "1 2"], "--kernel is for a trace: add --trace"),
        (["3x64x64", "relu", "--network", "vgg11"], "--network has its own layers: give INPUT at most, got 'relu'"),
        (["1x64x64", "--network", "vgg11"], "vgg11 reads 3 channels, got an INPUT of 1×64×64."),
        (["--network", "vgg11", "--trace"], "--network compares layers: it takes INPUT and --json"),
        (["--network", "resnet51"], "No network named 'resnet51'."),
        (["8", "conv f=3 n=1", "--trace", "--photo", "none.png"], "none.png: no such file."),
        (["8", "relu", "--compare"], "There is no convolution to compare"),
        (["2x8x8", "conv f=3 n=2 g=2", "--linear"], "A convolution in 2 groups is 2 linear layers"),
        (["8", "conv f=3 n=1", "--matrix", "x.png", "--kernel", "1 2"], "--kernel must be 3×3"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_cli("convolve", *words)
    assert result.code == 2
    assert message in result.err
    assert result.err.startswith("Error: ")
    assert "Traceback" not in result.err
    assert not result.out  # no half of an answer


def test_sizes_need_no_torch() -> None:
    program = (
        "import sys; from striate.cli import main; code = main(['convolve', '8', 'conv f=3 n=1']);"
        "sys.exit(code or ('torch' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0
