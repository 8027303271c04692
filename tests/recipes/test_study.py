"""Studies from beginning to end: made, asked, answered by people, reported; on the command line, too."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from striate.errors import ConfigError, DataError, UnknownNameError
from striate.insight.human_study import HumanStudy
from striate.insight.human_study_result import StudyResult
from striate.recipes import study as recipe
from striate.recipes import study_report
from striate.recipes.events import Done, Plan
from tests.insight.study_scenes import answer_all, color_folders, color_network


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return color_folders(tmp_path_factory.mktemp("data") / "colors")


@pytest.fixture(autouse=True)
def _networks(monkeypatch):
    monkeypatch.setattr(recipe, "load", lambda name: color_network(name))


def make(data, out, **settings):
    options = {"images_per_class": 2, "practice": 2, "side": 32, "out": out, **settings}
    events = list(recipe.run(recipe.StudyConfig(data=data, **options)))
    assert isinstance(events[0], Plan)
    assert isinstance(events[-1], Done)
    return events[0].text, events[-1].result


def test_a_study_is_made_asked_answered_and_reported(tmp_path, data):
    plan, made = make(data, tmp_path / "s", networks=("net",), degrade=("blur=2,gray", "blur=2"))
    assert "18 pictures: 3 choices × 3 conditions × 2" in plan
    study = made.study
    assert study.settings.conditions == ("clean", "blur=2", "gray")
    assert [(one.name, one.answered) for one in study.participants()] == [("net", 18)]
    assert all(len(one.scores) == 3 for one in study.answers())
    answer_all(study, "p1", wrong={1, 4, 6})
    answer_all(study, "p2", wrong={1, 5})
    events = list(study_report.run(study_report.StudyReportConfig(study=study.folder, networks=("other",))))
    done = events[-1]
    assert set(done.files) == {"report", "json", "npz", "picture", "table"}
    assert all(path.is_file() for path in done.files.values())
    assert done.result.observers == ("p1", "p2", "net", "other")
    document = json.loads(done.files["json"].read_text(encoding="utf-8"))
    assert [one["errors"]["all"]["wrong"] for one in document["observers"][:2]] == [3, 2]
    page = done.files["report"].read_text(encoding="utf-8")
    assert "What may be concluded" in page
    assert "2 people took part" in page
    assert page.count("data:image/png") >= 2
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert StudyResult.load(done.files["npz"]).to_dict() == document


def test_a_network_that_changed_is_refused(tmp_path, data, monkeypatch):
    _, made = make(data, tmp_path / "s")
    answer_all(made.study, "net", wrong={0}, kind="network")
    with pytest.raises(DataError, match="'net' answered 1 of 6 pictures otherwise before"):
        list(study_report.run(study_report.StudyReportConfig(study=made.study.folder, networks=("net",))))


def test_choices_are_drawn_named_and_mapped(tmp_path, data):
    _, drawn = make(data, tmp_path / "a", choices=2)
    assert len(drawn.study.settings.classes) == 2
    _, named = make(data, tmp_path / "b", classes=("red,blue",))
    assert named.study.settings.classes == ("red", "blue")
    table = tmp_path / "m.csv"
    table.write_text("label,category\nred,warm\nblue,cold\ngreen,cold\nrad,warm\n")
    _, mapped = make(data, tmp_path / "c", mapping=table, networks=("net",))
    assert mapped.study.settings.classes == ("cold", "warm")
    assert [problem.text for problem in mapped.problems] == [
        "'rad' is no class of the data and no label of a network; passed over"
    ]


def test_refusals_of_studies(tmp_path, data):
    with pytest.raises(UnknownNameError, match="no pictures of a class 'rad'"):
        make(data, tmp_path / "s", classes=("rad",))
    with pytest.raises(ConfigError, match="2 to 35 classes"):
        make(data, tmp_path / "s", classes=("red",))
    with pytest.raises(ConfigError, match="--choices must be at most 3"):
        make(data, tmp_path / "s", choices=4)
    with pytest.raises(UnknownNameError, match="has no part 'val'"):
        make(data, tmp_path / "s", split="val")
    with pytest.raises(DataError, match="cannot be read"):
        make(data, tmp_path / "s", consent=tmp_path / "none.txt")
    with pytest.raises(DataError, match="exists; choose another folder"):
        make(data, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_the_command_line(tmp_path, data, run_cli):
    consent = tmp_path / "consent.txt"
    consent.write_text("Read this first.")
    folder = tmp_path / "s"
    words = ["--images-per-class", 2, "--practice", 2, "--side", 32, "--degrade", "gray+noise=0.1", "--out", folder]
    made = run_cli("study", "new", data, *words, "--consent", consent)
    assert made.code == 0, made.err
    assert "gray+noise=0.1         6" in made.out
    assert f"Next    striate study label {folder}" in made.out
    study = HumanStudy(folder)
    assert study.settings.facts["consent"] == "Read this first."

    empty = run_cli("study", "report", folder)
    assert empty.code == 2
    assert "nobody has answered yet" in empty.err
    answer_all(study, "p1", wrong={1, 4, 6})
    answer_all(study, "net", wrong={1}, kind="network")
    status = run_cli("study", "status", folder)
    assert "p1           person   12 of 12" in status.out
    assert "wrong" not in status.out  # whoever runs the study stays blind
    assert run_cli("study", "status", folder, "--json").json["participants"][0]["answered"] == 12

    table = tmp_path / "t.csv"
    assert "(24 answers)" in run_cli("study", "export", folder, "--out", table).out
    again = run_cli("study", "import", folder, table)
    assert again.code == 0
    assert "0 new, 24 known already" in again.out
    table.write_text(table.read_text() + "p1,person,,0123,,,,red,,,,,,\n")
    wrong = run_cli("study", "import", folder, table, "--json")
    assert wrong.code == 1
    assert wrong.json["problems"][0]["where"] == f"{table}, line 26"

    report = run_cli("study", "report", folder)
    assert report.code == 0, report.err
    assert report.out.startswith("Wrong answers: people 25 %, net 8.3 %.".replace(" %", "\u00a0%"))
    assert "p1, net" in report.out
    assert run_cli("study", "report", folder, "--json").json["folder"] == str(folder / "report")
    assert run_cli("study", "report", tmp_path).code == 2
    assert "network in this study" in run_cli("study", "label", folder, "--participant", "net").err


def test_ctrl_c_ends_the_page_and_says_how_to_go_on(tmp_path, data):
    """The real program in a process of its own: it prints a link, and ends with code 0 at Ctrl-C."""
    _, made = make(data, tmp_path / "s")
    words = [
        sys.executable,
        "-m",
        "striate",
        "study",
        "label",
        str(made.study.folder),
        "--no-browser",
        "--participant",
        "p1",
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert re.fullmatch(r"Link    http://127\.0\.0\.1:\d+/\?token=[\w-]{43}\n", process.stdout.readline())
    made.study.join("p1")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "p1  0 of 6 pictures" in out
    assert f"Next    striate study label {made.study.folder} --participant p1" in out
