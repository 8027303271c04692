"""Names of classes: the tables agree with their sources, and a name finds one class or is refused with the choices."""

import runpy
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data import Labels
from striate.errors import ConfigError, DataError, UnknownNameError

# torchvision gives two classes one word, or glues WordNet's two synonyms together; these are ours.
OWN_NAMES = {
    134: "crane (bird)",
    264: "Cardigan (dog)",
    474: "cardigan (sweater)",
    517: "crane (machine)",
    638: "maillot (tights)",
    639: "maillot (tank suit)",
}


@pytest.fixture(scope="module")
def imagenet() -> Labels:
    return Labels.load("imagenet1k")


def folder_of(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed (oracle)")
    return Path(spec.origin).parent


def test_names_are_torchvisions_but_for_six(imagenet: Labels) -> None:
    theirs = runpy.run_path(str(folder_of("torchvision") / "models" / "_meta.py"))["_IMAGENET_CATEGORIES"]
    assert {i: ours for i, (ours, their) in enumerate(zip(imagenet, theirs, strict=True)) if ours != their} == OWN_NAMES


def test_ids_and_synonyms_are_wordnets(imagenet: Labels) -> None:
    info = folder_of("timm") / "data" / "_info"
    synsets = (info / "imagenet_synsets.txt").read_text().split()
    rows = (line.split("\t") for line in (info / "imagenet_synset_to_lemma.txt").read_text().splitlines())
    lemmas = {wnid: tuple(names.split(", ")) for wnid, names in rows}
    assert list(imagenet.ids) == synsets
    assert list(imagenet.synonyms) == [lemmas[wnid] for wnid in synsets]


def test_names_are_unique_in_any_case(imagenet: Labels) -> None:
    assert len(imagenet) == 1000
    assert len({name.casefold() for name in imagenet}) == 1000
    assert len(set(imagenet.ids)) == 1000


def test_labels_are_a_frozen_sequence(imagenet: Labels) -> None:
    assert imagenet[967] == "espresso"
    assert imagenet[-1] == list(imagenet)[-1] == "toilet tissue"
    assert imagenet[:2] == ("tench", "goldfish")
    assert "espresso" in imagenet
    assert imagenet.index("espresso") == 967
    assert imagenet == Labels.load("imagenet1k")
    assert len(repr(imagenet)) < 100
    with pytest.raises(AttributeError):
        imagenet.names = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("target", "index"),
    [
        (967, 967),
        (np.int64(967), 967),
        ("967", 967),
        ("#967", 967),
        (" 0 ", 0),
        ("espresso", 967),
        ("ESPRESSO", 967),
        ("n07920052", 967),
        ("N07920052", 967),
        ("tabby cat", 281),
        ("ladybug", 301),
        ("ladybird", 301),
        ("Labrador", 208),
        ("German_shepherd", 235),
        ("jack o lantern", 607),
        ("Jack-O'-Lantern", 607),
        ("crane (bird)", 134),
        ("crane bird", 134),
        ("Crane (machine)", 517),
        ("maillot tank suit", 639),
        ("missile", 657),  # the display name of 657 and only a synonym of 744
        ("tub", 876),  # likewise, and 435
        ("Egyptian", 285),
    ],
)
def test_find(imagenet: Labels, target: int | str, index: int) -> None:
    assert imagenet.find(target) == index


@given(index=st.integers(0, 999))
def test_every_class_is_found_by_index_name_and_id(index: int) -> None:
    labels = Labels.load("imagenet1k")
    for target in (index, str(index), labels[index], labels[index].upper(), labels.ids[index]):
        assert labels.find(target) == index


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("crane", r"'crane' names 2 classes: 134 crane \(bird\), 517 crane \(machine\)\. Give the index"),
        ("Cardigan", r"264 Cardigan \(dog\), 474 cardigan \(sweater\)"),
        ("maillot", r"638 maillot \(tights\), 639 maillot \(tank suit\)"),
        ("panther", r"286 cougar, 290 jaguar"),  # a synonym of both
        ("retriever", r"5 classes: 205 flat-coated retriever, .*, 209 Chesapeake Bay retriever\."),
        ("terrier", r"names \d\d classes: (\d+ [^,]+, ){7}\d+ [^,]+ and \d+ more\."),
    ],
)
def test_ambiguous_names_are_refused_with_the_choices(imagenet: Labels, target: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        imagenet.find(target)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("esspresso", r"No class named 'esspresso'\. Nearest: 'espresso'"),
        ("n99999999", r"No class named 'n99999999'"),
        ("", r"No class named ''"),
        ("()", r"No class named '\(\)'"),
        ("esp", r"No class named 'esp'"),  # words are matched whole
        (1000, r"No class 1000: the indices run from 0 to 999\."),
        ("1000", r"No class 1000"),
        (-1, r"No class -1"),
        ("-1", r"No class -1"),
        (True, r"an index or a name, got True"),
    ],
)
def test_unknown_names_are_refused(imagenet: Labels, target: int | str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        imagenet.find(target)


@given(st.one_of(st.integers(), st.text(max_size=30)))
def test_find_gives_a_class_or_says_why_not(target: int | str) -> None:
    with suppress(UnknownNameError):
        assert 0 <= Labels.load("imagenet1k").find(target) < 1000


def test_digits() -> None:
    digits = Labels.load("mnist")
    assert tuple(digits) == tuple("0123456789")
    assert [digits.find(str(i)) for i in range(10)] == list(range(10))
    assert digits.find("seven") == 7
    assert digits.ids == ()


def test_case_tells_names_apart_where_it_has_to() -> None:
    letters = Labels(("A", "a", "B"))
    assert (letters.find("A"), letters.find("a"), letters.find("b")) == (0, 1, 2)


def test_names_that_are_numbers_are_never_taken_for_an_index() -> None:
    folders = Labels(("1", "10", "2"))  # as folders sort
    with pytest.raises(UnknownNameError, match=r"'1' is both .* '#1' for the class with that index or '#0' for"):
        folders.find("1")
    assert folders.find("#1") == 1
    assert folders.find(1) == 1
    assert folders.find("0") == 0  # no class is named so
    assert Labels(("0", "1")).find("1") == 1


def test_one_name_for_two_classes_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="0 cat, 2 cat"):
        Labels(("cat", "dog", "cat")).find("cat")


def test_counts_have_to_agree() -> None:
    with pytest.raises(ConfigError, match=r"one entry of ids for each of the 2 names, got 1"):
        Labels(("a", "b"), ids=("n1",))


def test_load_reads_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes("\ufeffcat\r\n naïve dog \r\nbird\r\n\r\n".encode())
    assert Labels.load(path) == Labels.load(str(path)) == Labels(("cat", "naïve dog", "bird"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"names\.txt, line 1: empty"),
        (b"cat\n\ndog\n", r"names\.txt, line 2: empty"),
        (b"\xff\xfe\x00c", r"names\.txt: not a text file in UTF-8"),
    ],
)
def test_load_refuses_a_damaged_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        Labels.load(path)


def test_load_refuses_an_unknown_name_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"No labels named 'imagenet', and no such file\. Nearest: 'imagenet1k'"):
        Labels.load("imagenet")
    with pytest.raises(DataError, match="cannot be read"):
        Labels.load(tmp_path)
