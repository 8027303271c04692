"""A study on the disk: whole or not at all, blinded, balanced, and it goes on where it was left, whatever ended it."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from striate.data import open_data
from striate.errors import ConfigError, DataError, ShapeError, UnknownNameError
from striate.insight.human_study import HumanStudy
from striate.insight.human_study_order import trial_order
from striate.insight.human_study_pictures import CONDITIONS, Condition, degrade, parse_condition, square
from striate.insight.human_study_records import StudyAnswer, StudySettings
from tests.insight.study_scenes import CLASSES, color_folders, make_study


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return color_folders(tmp_path_factory.mktemp("data") / "colors")


@pytest.fixture
def study(tmp_path, data):
    return make_study(tmp_path / "study", data, conditions=("clean", "blur=2", "gray+noise=0.2"))


def test_every_class_is_there_equally_often_under_every_condition_and_no_picture_twice(study):
    counts = Counter((picture.label, picture.condition) for picture in study.tested)
    assert set(counts.values()) == {3}
    assert len(counts) == 9
    sources = [picture.source for picture in study.pictures.values()]
    assert len(set(sources)) == len(sources) == 30
    practice = [picture for picture in study.pictures.values() if picture.practice]
    assert sorted(picture.label for picture in practice) == [0, 1, 2]


def test_files_say_nothing(study):
    names = sorted(path.name for path in (study.folder / "pictures").iterdir())
    assert names == sorted(f"{name}.png" for name in study.pictures)
    assert not any(color in name for name in names for color in CLASSES)
    labels = [study.pictures[name.removesuffix(".png")].label for name in names]
    assert labels not in (sorted(labels), sorted(labels, reverse=True))
    with Image.open(study.folder / "pictures" / names[0]) as picture:
        assert not picture.info.keys() - {"transparency"}  # no Exif, no comments
        assert picture.size == (32, 32)


def test_the_same_seed_makes_the_same_study(tmp_path, data):
    first, again, other = (
        make_study(tmp_path / name, data, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first.pictures == again.pictures != other.pictures
    for name in first.pictures:
        assert first.picture_file(name).read_bytes() == again.picture_file(name).read_bytes()


def test_orders_are_drawn_for_everybody_and_kept(study):
    orders = {}
    for name in ("p1", "p2"):
        study.join(name)
        places = {position: picture for (who, picture), position in study.positions().items() if who == name}
        orders[name] = [places[i] for i in range(30)]
        assert [study.pictures[p].practice for p in orders[name]] == [True] * 3 + [False] * 27
        tested = [picture.id for picture in study.tested]
        assert orders[name][3:] == trial_order(tested, name, seed=study.settings.seed)
    assert orders["p1"] != orders["p2"]
    study.join("p1")
    assert len(study.positions()) == 60
    labels = [study.pictures[p].label for p in orders["p1"][3:]]
    assert labels != sorted(labels)


def test_the_first_answer_counts(study):
    study.join("p1")
    trial = study.next_trial("p1")
    assert (trial.position, trial.done, trial.total, trial.picture.practice) == (0, 0, 3, True)
    one = StudyAnswer("p1", trial.picture.id, 1, rt_ms=400.0)
    assert study.add("p1", [one], kind="person", facts={}) == 1
    assert study.add("p1", [StudyAnswer("p1", trial.picture.id, 2)], kind="person", facts={}) == 0
    assert study.answers(practice=True)[0].choice == 1
    assert study.next_trial("p1").position == 1
    assert study.next_trial("p1", skip=1).position == 2
    assert study.participant("p1").answered == 0  # practice does not count


def test_a_killed_process_loses_nothing(study):
    """Answers one after the other, killed without warning in the middle: what was acknowledged is there."""
    program = textwrap.dedent(
        """
        import sys
        from striate.insight.human_study import HumanStudy
        from striate.insight.human_study_records import StudyAnswer
        study = HumanStudy(sys.argv[1])
        study.join("p1")
        while (trial := study.next_trial("p1")) is not None:
            study.add("p1", [StudyAnswer("p1", trial.picture.id, 0)], kind="person", facts={})
            sys.stdout.write(trial.picture.id + "\\n")
            sys.stdout.flush()
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(study.folder)], stdout=subprocess.PIPE, text=True)
    said = [process.stdout.readline().strip() for _ in range(12)]
    os.kill(process.pid, signal.SIGKILL)
    rest = process.communicate()[0].split()
    again = HumanStudy(study.folder)
    saved = {one.picture for one in (*again.answers(), *again.answers(practice=True))}
    assert saved >= {*said, *rest}
    trial = again.next_trial("p1")
    assert trial is None or trial.picture.id not in saved
    assert trial is None or trial.position == len(saved)


def test_many_threads_answer_at_once(study):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(study.join, [f"p{i}" for i in range(8)]))
        picture = study.tested[0].id
        added = list(
            pool.map(lambda c: study.add("p0", [StudyAnswer("p0", picture, c % 3)], kind="person", facts={}), range(16))
        )
    assert sum(added) == 1
    assert len(study.participants()) == 8


def test_a_person_and_a_network_cannot_have_one_name(study):
    study.add("net", [StudyAnswer("net", study.tested[0].id, 0)], kind="network", facts={})
    with pytest.raises(ConfigError, match="'net' is a network in this study"):
        study.join("net")
    with pytest.raises(UnknownNameError, match=r"Nobody called 'nat' took part. Nearest: 'net'"):
        study.participant("nat")


def test_refusals_of_answers(study):
    with pytest.raises(DataError, match="not of this study"):
        study.add("p1", [StudyAnswer("p1", "0" * 16, 0)], kind="person", facts={})
    with pytest.raises(DataError, match="not of this study"):
        study.add("p1", [StudyAnswer("p1", study.tested[0].id, 3)], kind="person", facts={})
    for name in ("", "  ", "x" * 65, "a\nb"):
        with pytest.raises(ConfigError, match="1 to 64 printable letters"):
            study.join(name)
    with pytest.raises(UnknownNameError, match="No picture"):
        study.picture_file("../../etc/passwd")


def test_refusals_of_folders(tmp_path, data, study):
    with pytest.raises(DataError, match="exists; choose another folder"):
        make_study(study.folder, data)
    with pytest.raises(DataError, match="no study here"):
        HumanStudy(tmp_path)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "study.sqlite").write_text("this is no database at all, but it is long enough to be read")
    with pytest.raises(DataError, match="damaged, or not a study"):
        HumanStudy(tmp_path / "text")
    (tmp_path / "other").mkdir()
    sqlite3.connect(tmp_path / "other" / "study.sqlite").execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(DataError, match="not that of a study"):
        HumanStudy(tmp_path / "other")
    with sqlite3.connect(study.folder / "study.sqlite") as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(DataError, match="has format 9; this version of Striate reads 1"):
        HumanStudy(study.folder)


def test_a_hostile_study_cannot_name_files(study):
    with sqlite3.connect(study.folder / "study.sqlite") as database:
        database.execute("INSERT INTO picture VALUES ('../../secret', 'x', 0, 'clean', 0)")
    with pytest.raises(DataError, match="damaged"):
        HumanStudy(study.folder)


def test_nothing_is_left_of_a_study_that_could_not_be_made(tmp_path, data):
    with pytest.raises(DataError, match=r"'blue' has 12 pictures left .* needs 13"):
        make_study(tmp_path / "s", data, per_class=13, practice=0)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_read_is_replaced(tmp_path):
    folder = color_folders(tmp_path / "data", count=5)
    (folder / "red" / "red-01.png").write_bytes(b"x")
    study = make_study(tmp_path / "study", folder, per_class=4, practice=0)
    assert len(study.tested) == 12
    assert "red/red-01.png" not in {picture.source for picture in study.tested}


def test_refusals_of_settings():
    with pytest.raises(ConfigError, match=r"2 to 35 classes .* got 36"):
        StudySettings("t", tuple(map(str, range(36))))
    with pytest.raises(ConfigError, match="Every class must be there once"):
        StudySettings("t", ("a", "a"))
    with pytest.raises(ConfigError, match="exposure_ms must be from 0"):
        StudySettings("t", ("a", "b"), exposure_ms=-1)


def test_conditions_are_read_and_named():
    assert parse_condition("clean") == Condition()
    assert parse_condition(" gray + noise=0.20").name == "gray+noise=0.2"
    for text, match in {
        "blurr=2": "'blurr=2' is no way to change a picture. Nearest: 'blur'",
        "blur": "'blur' needs a number from 0.1 to 100",
        "blur=x": "such as blur=3; got 'blur=x'",
        "occlude=1.5": "from 0 to 1",
        "noise=nan": "from 0 to 2",
        "gray=1": "'gray' takes no number",
        "": "is no way",
    }.items():
        with pytest.raises(ConfigError, match=match):
            parse_condition(text)


def test_what_conditions_do():
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert degrade(image, parse_condition("clean")) is image
    gray = degrade(image, parse_condition("gray"))
    np.testing.assert_allclose(gray[..., 0], np.asarray(Image.fromarray(image).convert("L")), atol=1)
    assert (gray == gray[..., :1]).all()
    low = degrade(image, parse_condition("contrast=0.1"))
    assert low.min() >= 114
    assert low.max() <= 141
    flat = degrade(np.full((64, 64, 3), 128, np.uint8), parse_condition("noise=0.1"))
    assert flat.std() == pytest.approx(25.5, rel=0.05)
    hidden = degrade(np.zeros((64, 64, 3), np.uint8), parse_condition("occlude=0.25"))
    assert (hidden == 128).mean() == 0.25
    blurred = degrade(image, parse_condition("blur=3"))
    assert blurred.std() < image.std() / 5
    assert abs(blurred.mean() - image.mean()) < 2
    for name in ("noise=0.2", "occlude=0.5"):
        condition = parse_condition(name)
        np.testing.assert_array_equal(degrade(image, condition, seed=4), degrade(image, condition, seed=4))
        assert (degrade(image, condition, seed=4) != degrade(image, condition, seed=5)).any()
    assert (
        degrade(gray, parse_condition("noise=0.3"))[..., 0] == degrade(gray, parse_condition("noise=0.3"))[..., 1]
    ).all()
    assert set(CONDITIONS) == {"blur", "noise", "occlude", "contrast", "gray"}


@pytest.mark.parametrize(("h", "w"), [(1, 1), (7, 3), (100, 40), (40, 100), (33, 33)])
def test_squares_are_central_and_never_enlarged(h, w):
    image = np.arange(h * w * 3, dtype=np.uint64).reshape(h, w, 3).astype(np.uint8)
    found = square(image, 33)
    side = min(h, w, 33)
    assert found.shape == (side, side, 3)
    if min(h, w) <= 33:
        top, left = (h - side) // 2, (w - side) // 2
        np.testing.assert_array_equal(found, image[top : top + side, left : left + side])
    for name in CONDITIONS:
        text = name if name == "gray" else f"{name}=0.5"
        assert degrade(found, parse_condition(text)).shape == found.shape


def test_refusals_of_pictures():
    with pytest.raises(ShapeError, match="uint8 h × w × 3"):
        square(np.zeros((4, 4), np.uint8), 4)
    with pytest.raises(ShapeError, match="uint8 h × w × 3"):
        degrade(np.zeros((4, 4, 3)), parse_condition("gray"))


def test_the_data_has_what_the_tests_say(data):
    assert open_data(data)["all"].classes == CLASSES
