"""Every network of the catalogue, held to the same promises; a new one is tested by being listed."""

import re

import pytest
import torch
from torch import nn

from striate.errors import ConfigError, UnknownNameError
from striate.models import create_model, find_entry, list_models
from striate.models.build import build
from striate.models.catalogue import CatalogueEntry, catalogue
from striate.probe import summary

EVERY = list(catalogue())
# One member of each family runs for real; its larger sisters are the same code with longer tables.
SMALLEST = [
    "alexnet", "alexnet_2012", "efficientnet_lite0", "googlenet", "googlenet_2014", "lenet5", "lenet5_relu", "resnet18",
    "resnet50_v1", "se_resnet50", "se_resnext50_32x4d", "squeezenet1_0", "squeezenet1_1", "vgg11", "vgg11_bn",
    "vgg16_features",
]  # fmt: skip


def on_meta(entry: CatalogueEntry) -> nn.Module:
    with torch.device("meta"):
        return build(entry)


def without_chance(name: str) -> nn.Module:
    torch.manual_seed(0)
    return create_model(name).eval()


def picture(entry: CatalogueEntry, count: int, size: int | None = None) -> torch.Tensor:
    c, h, _ = entry.input_size
    side = size or max(entry.min_size, min(h, 64))
    return torch.randn(count, c, side, side, generator=torch.Generator().manual_seed(1))


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


@pytest.mark.parametrize("name", SMALLEST)
def test_a_batch_answers_as_its_pictures_alone(name: str) -> None:
    net, x = without_chance(name), picture(find_entry(name), 3)
    with torch.inference_mode():
        together = net(x)
        apart = torch.cat([net(one[None]) for one in x])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4 * float(together.abs().max()))
    assert together.isfinite().all()


@pytest.mark.parametrize("name", SMALLEST)
def test_gradients_reach_every_weight_and_are_finite(name: str) -> None:
    torch.manual_seed(0)
    entry = find_entry(name)
    net = create_model(name).train()
    # The auxiliary heads of the paper's GoogLeNet want the paper's picture.
    out = net(picture(entry, 2, 224 if name == "googlenet_2014" else None))
    outputs = [out] if isinstance(out, torch.Tensor) else [part for part in out if part is not None]
    sum(part.float().logsumexp(1).sum() if part.dim() == 2 else part.square().mean() for part in outputs).backward()
    for path, parameter in net.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all(), path
    assert any(p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize("name", SMALLEST)
def test_export_gives_the_same_answers(name: str) -> None:
    net, x = without_chance(name), picture(find_entry(name), 2)
    with torch.inference_mode():
        exported = torch.export.export(net, (x,)).module()
        torch.testing.assert_close(exported(x), net(x))


@pytest.mark.parametrize("name", SMALLEST)
def test_the_same_seed_builds_the_same_network(name: str) -> None:
    one, two = without_chance(name), without_chance(name)
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
