"""Answers as a table: what goes out comes in again; what is wrong is named with its line and changes nothing."""

import csv

import pytest

from striate.errors import DataError
from striate.insight.human_study_table import COLUMNS, export_answers, import_answers
from tests.insight.study_scenes import answer_all, color_folders, make_study


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return color_folders(tmp_path_factory.mktemp("data") / "colors")


@pytest.fixture
def study(tmp_path, data):
    return make_study(tmp_path / "study", data, conditions=("clean", "blur=2"), per_class=2)


def write(path, rows, header=("participant", "picture", "answer", "rt_ms")):
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def test_what_goes_out_comes_in_again(tmp_path, data, study):
    answer_all(study, "p, 1", wrong={0, 5})
    answer_all(study, "net", wrong={1}, kind="network")
    table = tmp_path / "answers.csv"
    assert export_answers(study, table) == 24
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert sum(row["correct"] == "0" for row in rows if row["participant"] == "p, 1") == 2
    assert {row["participant"]: row["kind"] for row in rows} == {"p, 1": "person", "net": "network"}
    twin = make_study(tmp_path / "twin", data, conditions=("clean", "blur=2"), per_class=2)
    assert import_answers(twin, table).added == 24
    assert import_answers(twin, table).known == 24
    assert import_answers(study, table).known == 24
    export_answers(twin, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == table.read_text()


def test_practice_is_marked_and_passed_over(tmp_path, study):
    study.join("p1")
    trial = study.next_trial("p1")
    from striate.insight.human_study_records import StudyAnswer

    study.add("p1", [StudyAnswer("p1", trial.picture.id, 0)], kind="person", facts={})
    assert export_answers(study, tmp_path / "a.csv") == 0
    assert export_answers(study, tmp_path / "a.csv", practice=True) == 1
    assert import_answers(study, tmp_path / "a.csv").practice == 1


def test_every_wrong_line_is_named_and_the_others_are_read(tmp_path, study):
    a, b, c, *_ = study.tested
    answer_all(study, "net", kind="network", count=1)
    answer_all(study, "old", count=1)
    right = study.settings.classes[a.label]
    other = study.settings.classes[(a.label + 1) % 3]
    table = write(
        tmp_path / "t.csv",
        [
            ("p1", a.id, "Red", "412.5"),
            ("p1", "0123456789abcdef", "red", ""),
            ("p1", b.id, "purple", ""),
            ("", b.id, "red", ""),
            ("p1", a.id, "green", ""),
            ("p1", b.id, "red", "fast"),
            ("p1", b.id, "red", "-1"),
            ("net", b.id, "red", ""),
            (),
            ("old", a.id, other, ""),
            ("old", a.id, right, ""),
            ("p1", c.id),
            ("p2", c.id, "blue", ""),
        ],
    )
    found = import_answers(study, table)
    assert (found.added, found.known) == (2, 1)
    told = {problem.where.rpartition(" ")[2]: problem.text for problem in found.problems}
    assert all(problem.where.startswith(f"{table}, line ") for problem in found.problems)
    assert set(told) == {"3", "4", "5", "6", "7", "8", "9", "11", "13"}
    assert "no picture '0123456789abcdef'" in told["3"]
    assert "'purple' is none of the choices (blue, green, red)" in told["4"]
    assert "1 to 64 printable letters" in told["5"]
    assert "answered this picture with 'red' in line 2" in told["6"]
    assert "rt_ms must be milliseconds, got 'fast'" in told["7"]
    assert "'net' is a network" in told["9"]
    assert "in the study" in told["11"]
    assert "'' is none of the choices" in told["13"]
    again = import_answers(study, table)
    assert (again.added, again.known) == (0, 3)
    assert study.participant("p1").answered == 1


def test_spreadsheets_of_every_country_are_read(tmp_path, study):
    picture = study.tested[0].id
    (tmp_path / "t.csv").write_bytes(f"\ufeffAnswer;Picture;Participant\r\nred;{picture};p1\r\n".encode())
    assert import_answers(study, tmp_path / "t.csv").added == 1


def test_a_foreign_network_is_a_row_like_another(tmp_path, study):
    rows = [("keras", picture.id, "red", "network") for picture in study.tested]
    write(tmp_path / "t.csv", rows, header=("participant", "picture", "answer", "kind"))
    import_answers(study, tmp_path / "t.csv")
    assert [(one.name, one.kind, one.answered) for one in study.participants()] == [("keras", "network", 12)]


def test_refusals_of_tables(tmp_path, study):
    with pytest.raises(DataError, match=r"line 1: needs a header .* picture and answer are missing"):
        import_answers(study, write(tmp_path / "a.csv", [], header=("participant", "rt_ms")))
    with pytest.raises(DataError, match="cannot be read"):
        import_answers(study, tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"participant,picture,answer\n\xff\xfe\xfa")
    with pytest.raises(DataError, match="not UTF-8"):
        import_answers(study, tmp_path / "b.csv")
