"""Every network of the catalogue, held to the same promises; a new one is tested by being listed."""

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from striate.errors import ConfigError, UnknownNameError
from striate.models import create_model, find_entry, list_models
from striate.models.build import build
from striate.models.catalogue import CatalogueEntry, catalogue
from striate.probe import summary
from tests.oracles.networks import forget_statistics

# Detectors answer with boxes: tests/detection/test_battery.py holds them to promises of their own.
EVERY = [name for name, entry in catalogue().items() if entry.task != "detect"]
# One of each kind runs for real, those with a table of depths with few blocks: the rest is the same code, repeated.
KINDS = [
    "alexnet", "alexnet_2012", "efficientnet_lite0", "googlenet", "googlenet_2014", "lenet5", "lenet5_relu", "resnet18",
    "resnet20", "resnet50", "resnet50_v1", "resnext50_32x4d", "se_resnet50", "se_resnext50_32x4d", "senet154",
    "squeezenet1_0", "squeezenet1_1", "vgg11", "vgg11_bn", "vgg16_features", "wrn16_4",
]  # fmt: skip


def on_meta(entry: CatalogueEntry) -> nn.Module:
    with torch.device("meta"):
        return build(entry)


def shallow(name: str) -> nn.Module:
    """With statistics that are not the neutral ones, and few answers where there is a choice."""
    torch.manual_seed(0)
    entry = find_entry(name)
    if "depths" in entry.options:
        entry = replace(entry, options={**entry.options, "depths": [1, 2, 1, 1]})
    with torch.no_grad():
        return forget_statistics(build(entry, num_classes=10 if entry.classifier else None)).eval()


def picture(entry: CatalogueEntry, count: int, size: tuple[int, int] | None = None) -> torch.Tensor:
    side = max(entry.min_size, min(entry.input_size[1], 64))
    size = size or (side, side + 1)
    return torch.randn(count, entry.input_size[0], *size, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("name", EVERY)
def test_counts_are_the_published_ones(name: str) -> None:
    entry = find_entry(name)
    net = on_meta(entry)
    table = summary(net, entry.input_size, name=name)
    assert table.parameters == sum(p.numel() for p in net.parameters()) == entry.parameters
    assert table.macs == entry.macs
    if entry.published_gmacs is not None:
        assert entry.macs / 1e9 == pytest.approx(entry.published_gmacs, rel=0.02)  # papers print two digits
    assert sum(row.macs for row in table.rows) == table.macs
    assert sum(stage.macs for stage in table.stages) == table.macs


@pytest.mark.parametrize("name", EVERY)
def test_the_entry_tells_the_truth_about_its_module(name: str) -> None:
    entry = find_entry(name)
    published = {key: value.shape for key, value in on_meta(entry).state_dict().items()}
    assert published[f"{entry.first_conv}.weight"][1] == entry.input_size[0]
    if entry.classifier:
        with torch.device("meta"):
            other = {key: value.shape for key, value in build(entry, num_classes=7).state_dict().items()}
        assert {key.rpartition(".")[0] for key in published if published[key] != other[key]} == set(entry.classifier)
    assert re.search(r"\b(19|20)\d\d\b", entry.paper)
    assert all(other in catalogue() for other in entry.same_keys_as)


@pytest.mark.parametrize("name", EVERY)
def test_no_layer_works_in_place_and_every_call_has_its_own_module(name: str) -> None:
    entry = find_entry(name)
    net = on_meta(entry)
    assert not [path for path, part in net.named_modules() if getattr(part, "inplace", False)]
    assert not [row.address for row in summary(net, entry.input_size).rows if "#" in row.address]


@pytest.mark.parametrize("name", EVERY)
def test_the_smallest_size_is_the_smallest(name: str) -> None:
    entry = find_entry(name)
    net = on_meta(entry).eval()
    net(torch.empty(1, entry.input_size[0], entry.min_size, entry.min_size, device="meta"))
    if entry.min_size > 1:
        with pytest.raises(ValueError, match=str(entry.min_size)):
            net(torch.empty(1, entry.input_size[0], entry.min_size - 1, entry.min_size - 1, device="meta"))


@pytest.mark.parametrize("name", EVERY)
def test_classes_and_channels_can_change(name: str) -> None:
    entry = find_entry(name)
    classes = 7 if entry.classifier else None
    with torch.device("meta"):
        net = create_model(name, num_classes=classes, in_channels=2).eval()
    out = net(torch.empty(1, 2, *entry.input_size[1:], device="meta"))
    if entry.classifier:
        assert out.shape == (1, 7)


@pytest.mark.parametrize("name", KINDS)
def test_a_batch_answers_as_its_pictures_alone(name: str) -> None:
    net, x = shallow(name), picture(find_entry(name), 3)
    before = x.clone()
    with torch.inference_mode():
        together = net(x)
        apart = torch.cat([net(one[None]) for one in x])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-5 * float(together.abs().max()))
    assert together.isfinite().all()
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", KINDS)
def test_gradients_reach_every_weight_and_the_picture_and_are_finite(name: str) -> None:
    net, entry = shallow(name).train(), find_entry(name)
    # The auxiliary heads of the paper's GoogLeNet want the paper's picture.
    x = picture(entry, 2, (224, 224) if name == "googlenet_2014" else None).requires_grad_()
    out = net(x)
    outputs = [out] if isinstance(out, torch.Tensor) else list(out)
    torch.stack([part.square().mean() for part in outputs]).sum().backward()
    for path, tensor in [("the picture", x), *net.named_parameters()]:
        assert tensor.grad is not None, path
        assert tensor.grad.isfinite().all(), path
        assert tensor.grad.abs().sum() > 0, path


@pytest.mark.parametrize("name", KINDS)
def test_export_keeps_the_answers_for_every_batch_size(name: str) -> None:
    net, entry = shallow(name), find_entry(name)
    exported = torch.export.export(net, (picture(entry, 2),), dynamic_shapes={"x": {0: torch.export.Dim.DYNAMIC}})
    more = picture(entry, 3)
    with torch.inference_mode():
        torch.testing.assert_close(exported.module()(more), net(more))


@pytest.mark.parametrize("name", KINDS)
def test_the_same_seed_builds_the_same_network(name: str) -> None:
    one, two = shallow(name), shallow(name)
    for (key, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b), key


def test_the_list_is_in_the_order_people_read() -> None:
    names = list_models("classify")
    assert names.index("resnet18") < names.index("resnet50") < names.index("resnet50_v1") < names.index("resnet101")
    assert "vgg16_features" not in names
    assert "vgg16_features" in list_models("features")


def test_unknown_networks_and_impossible_numbers_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"No network named 'resnet51'\. Nearest: 'resnet5"):
        create_model("resnet51")
    with pytest.raises(ConfigError, match="must be at least 1; got 0 and 3 for 'resnet18'"):
        create_model("resnet18", num_classes=0)
    with pytest.raises(ConfigError, match="ends at its features and has no classes"):
        create_model("vgg16_features", num_classes=5)
