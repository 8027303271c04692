"""Names and files become networks; what does not fit is refused in a sentence, what is dropped is named."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from striate.data import Labels, Preprocessing
from striate.errors import ConfigError, UnknownNameError, WeightsError, WeightsWarning
from striate.models import create_model, load
from striate.models.build import build
from striate.models.catalogue import catalogue, find_entry
from striate.weights import NativeMetadata, save_native

DIGITS = Preprocessing(input_size=(32, 32), resize=32, channels="L", mean=(0.1,), std=(0.5,))


def saved(path: Path, name: str = "lenet5_relu", *, preprocessing: Preprocessing | None = DIGITS) -> nn.Module:
    torch.manual_seed(5)
    net = create_model(name)
    metadata = NativeMetadata(name, "as built", "trained", preprocessing, Labels.load("mnist"))
    save_native(path, net.state_dict(), metadata=metadata)
    return net


def test_a_native_file_becomes_the_same_network(tmp_path: Path) -> None:
    net = saved(tmp_path / "digits.safetensors").eval()
    network = load(tmp_path / "digits.safetensors")
    x = torch.randn(2, 1, 32, 32)
    assert torch.equal(network.module(x), net(x))
    assert network.name == "lenet5_relu"
    assert network.preprocessing == DIGITS
    assert list(network.labels) == [str(i) for i in range(10)]
    assert not network.module.training
    again = create_model("lenet5_relu", weights=tmp_path / "digits.safetensors").eval()
    assert torch.equal(again(x), net(x))


def test_a_bare_state_dict_needs_no_import_where_only_one_network_fits(tmp_path: Path) -> None:
    net = create_model("squeezenet1_1").eval()
    torch.save(net.state_dict(), tmp_path / "bare.pth")
    again = create_model("squeezenet1_1", weights=tmp_path / "bare.pth").eval()
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(again(x), net(x))
    with pytest.raises(WeightsError, match="does not say how photos are to be prepared"):
        load(tmp_path / "bare.pth")
    with pytest.raises(WeightsError, match=r"holds weights of squeezenet1_1 .* not of resnet18"):
        create_model("resnet18", weights=tmp_path / "bare.pth")


def test_a_bare_file_of_two_variants_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save(create_model("resnet50").state_dict(), tmp_path / "bare.pth")
    with pytest.raises(WeightsError, match=r"striate weights import .* --variant resnet50\|resnet50_v1"):
        create_model("resnet50", weights=tmp_path / "bare.pth")


def test_other_classes_and_channels_keep_the_rest_and_say_what_went(tmp_path: Path) -> None:
    path = tmp_path / "digits.safetensors"
    net = saved(path)
    with pytest.warns(WeightsWarning, match=r"classifier starts from random values \(output\.") as warned:
        changed = create_model("lenet5_relu", weights=path, num_classes=3, in_channels=3)
    assert "c1.weight (1 to 3 image channels)" in str(warned[0].message)
    assert torch.equal(changed.state_dict()["c5.weight"], net.state_dict()["c5.weight"])
    torch.testing.assert_close(changed.state_dict()["c1.weight"].sum(1), net.state_dict()["c1.weight"][:, 0])
    assert changed(torch.randn(2, 3, 32, 32)).shape == (2, 3)


def test_same_classes_given_aloud_warn_of_nothing(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    saved(tmp_path / "digits.safetensors")
    create_model("lenet5_relu", weights=tmp_path / "digits.safetensors", num_classes=10, in_channels=1)
    assert not recwarn.list


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "lenet5", "efficientnet_lite0"])
def test_blank_networks_keep_their_constants(name: str) -> None:
    entry = find_entry(name)
    drawn, blank = build(entry).state_dict(), build(entry, blank=True).state_dict()
    for key, value in drawn.items():
        if value.unique().numel() <= 2:  # ones, zeros, codes and counters
            assert torch.equal(blank[key], value), key


def test_unknown_names_and_contradictions() -> None:
    with pytest.raises(UnknownNameError, match="No network named 'resnet5o'"):
        load("resnet5o")
    with pytest.raises(UnknownNameError, match=r"No weights named 'resnet50\.nonsense'"):
        create_model("resnet50.nonsense")
    with pytest.raises(UnknownNameError, match="alexnet_2012"):
        load("alexnet_2012")
    with pytest.raises(ConfigError, match="asks for weights already"):
        create_model("resnet50.tv_in1k", weights="tv2_in1k")
    with pytest.raises(WeightsError, match=re.escape("nowhere.safetensors")):
        load("nowhere.safetensors")


def test_a_new_entry_needs_no_code_here() -> None:
    assert {entry.builder.partition(":")[0] for entry in catalogue().values()} >= {"striate.models.resnet"}
    assert all(entry.name == name for name, entry in catalogue().items())
