"""Tables of pictures: what people's CSV files look like, and which line is wrong."""

from pathlib import Path

import pytest

from striate.data.csv_table import read_csv_table
from striate.errors import DataError
from tests.data.layouts import files, picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return files(tmp_path, {f"photos/{n}.png": picture(i) for i, n in enumerate(("a", "b", "c", "d, e", "ü"))})


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ":"])
@pytest.mark.parametrize("header", ["path,label", "Label,FileName", "class,note, image ", "target,filepath"])
def test_any_delimiter_and_names_of_columns(folder: Path, delimiter: str, header: str) -> None:
    columns = [name.strip().lower() for name in header.split(",")]
    rows = [
        delimiter.join(
            "" if c == "note" else kind if c in {"label", "class", "target"} else f"photos/{n}.png" for c in columns
        )
        for n, kind in (("a", "cat"), ("b", "dog"))
    ]
    images = read_csv_table(table(folder, "\r\n".join([header.replace(",", delimiter), *rows])))["all"]
    assert images.classes == ("cat", "dog")
    assert [images.name(i) for i in range(2)] == ["photos/a.png", "photos/b.png"]
    assert images.read(1) == picture(1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks_quotes_and_unicode(folder: Path, encoding: str) -> None:
    text = 'path,label\n"photos/d, e.png","a ""quoted"" class"\nphotos/ü.png,Größe\n'
    images = read_csv_table(table(folder, text, encoding))["all"]
    assert images.classes == ("Größe", 'a "quoted" class')
    assert images.name(0) == "photos/d, e.png"


def test_splits_and_groups(folder: Path) -> None:
    text = "path,label,split,group\nphotos/a.png,x,train,g\nphotos/b.png,y,train,\nphotos/c.png,y,Validation,g\n"
    sets = read_csv_table(table(folder, text))
    assert list(sets) == ["train", "val"]
    assert sets["train"].groups is not None
    assert sets["train"].groups[0] == "g"
    assert sets["train"].groups[1].startswith("\0")  # a group of its own, not one with all the others without
    assert sets["val"].classes == ("x", "y")


def test_every_line_that_cannot_be_used_is_named_with_its_number(folder: Path) -> None:
    text = (
        "path,label,split\n"
        "photos/a.png,cat,train\n"
        "\n"
        "photos/none.png,cat,train\n"
        "photos/b.png,,train\n"
        ",cat,train\n"
        "photos/b.png,cat,maybe\n"
        '"photos/a.png","multi\nline",train\n'
        "photos/a.png,cat,train\n"
        "photos,cat,train\n"
        "https://example.org/x.png,cat,train\n"
        "photos/c.png,cat,train,extra\n"
        "photos\\b.png,dog,train\n"
    )
    images = read_csv_table(table(folder, text))["train"]
    assert [images.name(i) for i in range(len(images))] == ["photos/a.png", "photos/b.png"]
    found = [(p.kind, int(p.where.rpartition(" ")[2])) for p in images.problems]
    assert found == [
        ("missing", 4),
        ("unlabeled", 5),
        ("bad-line", 6),
        ("bad-line", 7),
        ("label-conflict", 8),
        ("duplicate-line", 10),
        ("missing", 11),
        ("missing", 12),
        ("bad-line", 13),
    ]
    texts = {int(p.where.rpartition(" ")[2]): p.text for p in images.problems}
    assert texts[4] == "photos/none.png does not exist; left out"
    assert "not fetched from the web" in texts[12]
    assert "is a folder" in texts[11]
    assert all(problem.where.startswith(str(folder / "labels.csv")) for problem in images.problems)


def test_numbers_are_sorted_by_value_and_class_index_decides(folder: Path) -> None:
    rows = "photos/a.png,10,2\nphotos/b.png,9,0\nphotos/c.png,2,1\n"
    assert read_csv_table(table(folder, "path,label,x\n" + rows))["all"].classes == ("2", "9", "10")
    assert read_csv_table(table(folder, "path,label,class_index\n" + rows))["all"].classes == ("9", "2", "10")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: needs a header with a column for the file .* has nothing"),
        ("photos/a.png,cat\n", r"line 1: needs a header .* has photos/a.png,cat"),
        ("path,label\n", r"none of its lines gives a picture with a label"),
        ("path,label\nx.png,a\ny.png,b\n", r"2 files do not exist; paths start at the folder of this file.*line 2"),
        ('path,label\nphotos/a.png,cat\n"photos/b.png,cat\n', r"line 3: .*check the quotes"),
        ("path,label,class_index\nphotos/a.png,x,1\nphotos/b.png,y,1\n", r"line 3: class_index 1 is 'y' here, but 'x'"),
        ("path,label,class_index\nphotos/a.png,x,1\nphotos/b.png,x,2\n", r"line 3: 'x' has class_index 2 here, but 1"),
        ("path,label,class_index\nphotos/a.png,x,one\n", r"line 2: class_index must be a whole number, got 'one'"),
        ("path,label,split\nphotos/a.png,x,train\nphotos/b.png,y,test\n", r"test has the class 'y', which train does"),
    ],
)
def test_refusals_name_file_and_line(folder: Path, text: str, message: str) -> None:
    path = table(folder, text)
    with pytest.raises(DataError, match=message) as caught:
        read_csv_table(path)
    assert str(caught.value).startswith(str(path))


def test_another_encoding_is_refused_with_the_line(folder: Path) -> None:
    with pytest.raises(DataError, match=r"labels.csv, line 3: not UTF-8 text"):
        read_csv_table(table(folder, "path,label\nphotos/a.png,x\nphotos/b.png,Größe\n", "latin-1"))
