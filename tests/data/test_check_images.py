"""The check of a set: what was planted is found, where it was planted, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.check_images import check_images, checking_images
from striate.data.data_report import LEVELS, DataReport, level_of
from striate.data.opening import open_data
from striate.data.problem import Problem
from striate.errors import ConfigError
from tests.data.layouts import class_folders, files, picture, pixels
from tests.data.samples import saved


def check(path: Path, **options: object) -> DataReport:
    return check_images(open_data(path), **options)  # type: ignore[arg-type]


def found(report: DataReport) -> set[tuple[str, str]]:
    return {(p.kind, str(Path(p.where).relative_to(report.source))) for p in report.problems}


def test_a_clean_set_is_called_clean(tmp_path: Path) -> None:
    report = check(class_folders(tmp_path, {"train/cat": 4, "train/dog": 4, "val/cat": 2, "val/dog": 2}))
    assert report.problems == ()
    assert report.counts == {"train": (4, 4), "val": (2, 2)}
    assert report.examined == 12
    assert report.formats == {"PNG": 12}
    assert report.smallest == report.largest == (40, 48)
    train = np.stack([pixels(seed) for seed in range(8)]) / 255
    np.testing.assert_allclose(report.mean, train.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(report.std, train.std(axis=(0, 1, 2)))


def test_what_was_planted_is_found_where_it_was_planted(tmp_path: Path) -> None:
    class_folders(tmp_path, {"train/cat": 9, "train/dog": 9, "val/cat": 2, "val/dog": 2, "train/new": 0})
    image = Image.fromarray(pixels(50, 200, 220))
    turned = Image.Exif()
    turned[274] = 6
    gray = pixels(54)[:, :, 1]
    files(
        tmp_path,
        {
            "train/cat/cut.jpg": picture(51, "JPEG")[:400],
            "train/cat/page.png": b"<!doctype html><title>404</title>",
            "train/cat/void.png": b"",
            "train/dog/twin.png": picture(0),  # train/cat/0.png
            "train/dog/copy.png": picture(9),  # train/dog/0.png
            "val/dog/leak.png": picture(10),  # train/dog/1.png
            "train/dog/large.png": saved(image, "PNG"),
            "val/dog/small.jpg": saved(image.resize((110, 100)), "JPEG", quality=70),
            "train/cat/really.jpg": picture(52),
            "train/cat/turned.jpg": saved(pixels(53), "JPEG", exif=turned),
            "train/cat/gray.png": saved(np.stack([gray] * 3, axis=2), "PNG"),
            "train/cat/blank.png": saved(np.full((40, 40, 3), 7, dtype=np.uint8), "PNG"),
            "train/cat/dot.png": saved(pixels(55, 20, 31), "PNG"),
            "train/cat/strip.png": saved(pixels(56, 40, 400), "PNG"),
            "train/cat/deep/in.png": picture(57),
            "val/cat/x.heic": b"x",
        },
    )
    report = check(tmp_path)
    assert found(report) == {
        ("unreadable", "train/cat/cut.jpg"),
        ("unreadable", "train/cat/page.png"),
        ("unreadable", "train/cat/void.png"),
        ("label-conflict", "train/dog/twin.png"),
        ("duplicate", "train/dog/copy.png"),
        ("leakage", "val/dog/leak.png"),
        ("near-leakage", "val/dog/small.jpg"),
        ("wrong-extension", "train/cat/really.jpg"),
        ("rotated", "train/cat/turned.jpg"),
        ("gray", "train/cat/gray.png"),
        ("blank", "train/cat/blank.png"),
        ("tiny", "train/cat/dot.png"),
        ("aspect", "train/cat/strip.png"),
        ("nested", "train/cat"),
        ("empty-class", "train/new"),
        ("foreign-image", "val/cat/x.heic"),
    }
    text = {p.kind: p.text for p in report.problems}
    assert text["label-conflict"].startswith("'dog', but the same file is 'cat' as ")
    assert text["leakage"].startswith("in val, and the same file is in train as ")
    assert "web page" in next(p.text for p in report.problems if p.where.endswith("page.png"))
    assert "20" in text["tiny"]
    assert report.count("error") == 6
    assert list(report.by_kind("error")) == ["unreadable", "label-conflict", "leakage", "empty-class"]
    document = report.to_dict()
    assert document["errors"] == 6
    assert [p["level"] for p in document["problems"]] == sorted(
        (p["level"] for p in document["problems"]), key=["error", "warning", "note"].index
    )


def test_every_picture_is_a_step(tmp_path: Path) -> None:
    files(class_folders(tmp_path, {"a": 7, "b": 2}), {"a/broken.png": b""})
    assert list(checking_images(open_data(tmp_path))) == [(n, 10) for n in range(1, 11)]


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    class_folders(tmp_path, {"cat": 20, "dog": 20})
    files(tmp_path, {"cat/b.png": b"x", "dog/c.png": picture(3)})
    assert check(tmp_path, workers=1).to_dict() == check(tmp_path, workers=5).to_dict()
    with pytest.raises(ConfigError, match="workers must be above 0, got 0"):
        check(tmp_path, workers=0)


def test_what_holds_for_most_pictures_is_one_line(tmp_path: Path) -> None:
    draws = np.random.default_rng(0).integers(0, 256, (30, 20, 20), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=draws, labels=[0, 1] * 15)
    report = check(tmp_path / "set.npz")
    assert {p.kind: p.text.split(",")[0] for p in report.problems} == {
        "gray": "all 30 pictures are gray",
        "tiny": "all 30 pictures are tiny",
    }


def test_copies_in_arrays_are_found(tmp_path: Path) -> None:
    draws = np.random.default_rng(0).integers(0, 256, (12, 40, 40), dtype=np.uint8)
    draws[7] = draws[2]
    np.savez(tmp_path / "set.npz", images=draws, labels=[0, 1] * 6)
    (problem,) = [p for p in check(tmp_path / "set.npz").problems if level_of(p) == "error"]
    assert (problem.kind, problem.where) == ("label-conflict", "set.npz, picture 7")
    assert problem.text == "'1', but the same file is '0' as set.npz, picture 2"


def test_one_class_and_imbalance(tmp_path: Path) -> None:
    (problem,) = check(class_folders(tmp_path / "one", {"cat": 2})).problems
    assert problem.kind == "one-class"
    assert "only one class, 'cat'" in problem.text
    report = check(class_folders(tmp_path / "deep", {"images/cat": 2, "images/dog": 2}))
    told = next(p.text for p in report.problems if p.kind == "one-class")
    assert told.endswith(f"the classes may be the folders in {tmp_path / 'deep/images'}: give that one")
    (problem,) = check(class_folders(tmp_path / "two", {"cat": 23, "dog": 2})).problems
    assert problem.kind == "imbalance"
    assert "'cat' has 23 pictures, 'dog' 2" in problem.text
    assert check(class_folders(tmp_path / "fair", {"cat": 20, "dog": 2})).problems == ()


def test_names_that_people_read_as_one_class(tmp_path: Path) -> None:
    names = ("Cat", "cat", "dog", "hot dog", "hotdog")
    files(tmp_path, {f"{name}/1.png": saved(pixels(k), "PNG") for k, name in enumerate(names)})
    told = [problem.text for problem in check(tmp_path).problems if problem.kind == "twin-classes"]
    assert [text.partition(":")[0] for text in told] == ["'Cat', 'cat'", "'hot dog', 'hotdog'"]


def test_giants_are_reported_and_bombs_are_not_decoded(tmp_path: Path) -> None:
    class_folders(tmp_path, {"cat": 1, "dog": 1})
    files(tmp_path, {"cat/large.png": saved(pixels(60, 300, 300), "PNG")})
    report = check(tmp_path, max_megapixels=0.05)
    assert found(report) == {("unreadable", "cat/large.png")}
    assert "max_megapixels" in report.problems[0].text


def test_nothing_readable_is_a_report_and_no_crash(tmp_path: Path) -> None:
    report = check(files(tmp_path, {"a/1.png": b"", "b/1.png": b"x"}))
    assert report.examined == 0
    assert report.count("error") == 2
    assert report.to_dict()["mean"] is None


def test_every_kind_has_a_level_and_unknown_ones_are_warnings() -> None:
    assert {level for level, _ in LEVELS.values()} == {"error", "warning", "note"}
    assert level_of(Problem("something-new", "x", "y")) == "warning"
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in (Path(__file__).parents[2] / "src/striate/data").glob("*.py")
    )
    import re

    used = set(re.findall(r'Problem\(\s*"([\w-]+)"', source))
    assert len(used) > 15
    assert used <= set(LEVELS)
