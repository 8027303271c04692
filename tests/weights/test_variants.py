from pathlib import Path

import pytest
import torch
from torch import nn

from striate.data import Labels, Preprocessing
from striate.errors import WeightsError
from striate.weights import Blueprint, find_record, identify
from striate.weights.files import LoadedWeights
from striate.weights.native import NativeMetadata
from striate.weights.state import State
from striate.weights.variants import look_like, shapes_of


def net(channels: int = 3, classes: int = 10, width: int = 8) -> nn.Module:
    layers = {"conv": nn.Conv2d(channels, width, 3), "bn": nn.BatchNorm2d(width), "fc": nn.Linear(width, classes)}
    return nn.ModuleDict(layers)


def blueprint(name: str = "net", **sizes: int) -> Blueprint:
    with torch.device("meta"):
        module = net(**sizes)
    return Blueprint.of(name, module, variant=f"the {name} graph", classifier=["fc"], first_conv="conv")


TWINS = [blueprint("net"), blueprint("net_v1"), blueprint("wide", width=9)]


def loaded(
    state: State, *, metadata: NativeMetadata | None = None, record: str = "", sha256: str = "0" * 64
) -> LoadedWeights:
    known = find_record(record) if record else None
    return LoadedWeights(state, Path("w.pth"), sha256, "torch", metadata, known)


def state(**sizes: int) -> State:
    return dict(net(**sizes).state_dict())


@pytest.mark.parametrize("sizes", [{}, {"classes": 3}, {"channels": 1}, {"classes": 1, "channels": 5}])
def test_any_number_of_classes_and_channels_fits(sizes: dict[str, int]) -> None:
    shapes = shapes_of(state(**sizes))
    assert TWINS[0].fits(shapes)
    assert TWINS[0].num_classes(shapes) == sizes.get("classes", 10)
    assert TWINS[0].in_channels(shapes) == sizes.get("channels", 3)
    assert not TWINS[2].fits(shapes)


def test_old_files_without_counters_fit() -> None:
    shapes = shapes_of(state())
    del shapes["bn.num_batches_tracked"]
    assert TWINS[0].fits(shapes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("bn.weight"), "'bn.weight' is missing"),
        (lambda s: s.update({"extra": (1,)}), "'extra' is unknown"),
        (lambda s: s.update({"conv.bias": (9,)}), r"'conv.bias' has shape (9,) where (8,) is expected"),
        (lambda s: s.update({"fc.weight": (10, 9)}), r"'fc.weight' has shape (10, 9) where (10, 8) is expected"),
        (lambda s: s.update({"conv.weight": (8, 3, 5, 5)}), "'conv.weight' has shape"),
    ],
)
def test_every_other_difference_is_named(change, words: str) -> None:
    shapes = shapes_of(state())
    change(shapes)
    assert words in TWINS[0].differences(shapes)[0]


def test_the_only_fit_is_taken() -> None:
    found = identify(loaded(state(width=9, classes=4)), TWINS)
    assert (found.architecture, found.evidence, found.num_classes) == ("wide", "only fit", 4)
    assert found.preprocessing is None  # not known, so not guessed
    assert found.labels is None


def test_twins_are_refused_with_the_way_out() -> None:
    with pytest.raises(WeightsError, match=r"striate weights import w\.pth --variant net\|net_v1") as caught:
        identify(loaded(state()), TWINS)
    assert "net: the net graph; net_v1: the net_v1 graph" in str(caught.value)


def test_naming_one_of_the_twins_is_not_enough() -> None:
    """`create_model("net_v1", weights="w.pth")` proves nothing about the file: its import is recorded, this is not."""
    with pytest.raises(WeightsError, match=r"import w\.pth --variant"):
        identify(loaded(state()), TWINS, wanted="net_v1")


@pytest.mark.parametrize("name", ["net", "net_v1"])
def test_metadata_tells_twins_apart(name: str) -> None:
    metadata = NativeMetadata(name, "v", "user", Preprocessing(resize=300), Labels(tuple("abcdefghij")))
    found = identify(loaded(state(), metadata=metadata), TWINS)
    assert (found.architecture, found.evidence) == (name, "metadata")
    assert found.preprocessing == Preprocessing(resize=300)
    assert found.labels is not None
    other = {"net": "net_v1", "net_v1": "net"}[name]
    with pytest.raises(WeightsError, match=f"of {name} \\(its own metadata says so\\), not of {other}; {name} is: the"):
        identify(loaded(state(), metadata=metadata), TWINS, wanted=other)


def test_a_known_hash_tells_twins_apart() -> None:
    twins = [blueprint("resnet50"), blueprint("resnet50_v1")]
    file = loaded(state(), record="resnet50.tv_in1k")
    asked: list[list[str] | None] = []

    def catalogue(names: list[str] | None) -> list[Blueprint]:
        asked.append(names)
        return twins

    found = identify(file, catalogue)
    assert asked == [["resnet50"]]  # the others are not even built
    assert (found.architecture, found.evidence) == ("resnet50", "known hash")
    assert found.preprocessing == find_record("resnet50.tv_in1k").preprocessing
    assert found.labels == Labels.load("imagenet1k")
    with pytest.raises(WeightsError, match=r"weights of resnet50 \(its SHA-256 is known\), not of resnet50_v1"):
        identify(file, twins, wanted="resnet50_v1")


def test_a_known_file_of_another_graph_is_refused() -> None:
    file = loaded(state(), sha256="37913777" + "0" * 56)
    with pytest.raises(WeightsError, match=r"efficientnet_lite0_ra-37913777\.pth, which must not be loaded as"):
        identify(file, TWINS)


def test_metadata_that_contradicts_the_tensors_is_refused() -> None:
    metadata = NativeMetadata("wide", "v", "user")
    with pytest.raises(
        WeightsError, match=r"should hold wide \(its own metadata says so\), but 'conv.weight' has shape"
    ):
        identify(loaded(state(), metadata=metadata), TWINS)


def test_an_unknown_network_is_said() -> None:
    metadata = NativeMetadata("resnext9", "v", "user")
    with pytest.raises(WeightsError, match="'resnext9', a network that this version does not have"):
        identify(loaded(state(), metadata=metadata), TWINS)


def test_what_fits_nothing_is_compared_with_the_nearest() -> None:
    broken = state()
    del broken["bn.weight"]
    with pytest.raises(
        WeightsError, match=r"fits no network .* The nearest network is net, where 'bn\.weight' is miss"
    ):
        identify(loaded(broken), TWINS)
    with pytest.raises(WeightsError, match=r"fits no network of the catalogue \(its first tensors are 'a'\)\.$"):
        identify(loaded({"a": torch.ones(1)}), TWINS)


def test_what_tensors_look_like() -> None:
    assert look_like(shapes_of(state()), TWINS) == "These look like weights of net or net_v1."
    assert look_like({"a": (1,)}, TWINS) == ""
    assert look_like({"a": (1,)}, []) == ""


@pytest.mark.parametrize(
    ("sizes", "facts", "message"),
    [
        ({}, {"labels": Labels(("cat", "dog"))}, "has 10 classes, but 2 labels were given"),
        (
            {"channels": 1},
            {"preprocessing": Preprocessing()},
            "takes 1 image channels, but its preprocessing gives RGB",
        ),
        ({"classes": 0}, {}, "holds weights for no classes"),
    ],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_file_that_contradicts_itself_is_refused(
    sizes: dict[str, int], facts: dict[str, object], message: str
) -> None:
    """Too few labels failed later, with an IndexError in the middle of a batch of photos."""
    metadata = NativeMetadata("net", "the net graph", "trained", **facts)  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=message):
        identify(loaded(state(**sizes), metadata=metadata), TWINS)
