"""What goes into the classifier of any network, for a folder of pictures, whatever is in it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import striate
from striate.data import open_data
from striate.errors import ConfigError, DataError, ShapeError, UnknownNameError, WeightsError
from striate.insight.classifier_input import find_read_point, read_vectors
from striate.insight.representation_set import Representations
from striate.insight.representations import representations


class Functional(nn.Module):
    """A classifier without a layer of its own, an in-place ReLU, a module used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.mix = nn.Conv2d(6, 6, 1)
        self.weight = nn.Parameter(torch.randn(4, 6))

    def forward(self, x):
        x = F.relu_(self.mix(F.relu_(self.mix(self.conv(x)))))
        return F.linear(x.mean((2, 3)), self.weight)


def headless() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def squeezed() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 5, 3),
        nn.ReLU(),
        nn.Dropout(),
        nn.Conv2d(5, 4, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


POINTS = {
    "linear": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 7), nn.ReLU(inplace=True), nn.Linear(7, 3)),
        "input of 3",
    ),
    "squeezed": (squeezed, "input of 3"),
    "headless": (headless, "output of the network"),
    "maps": (lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU()), "output of the network"),
    "functional": (Functional, "output of mix#2"),
    "softmax": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 3), nn.Softmax(1)), "input of 1"),
    "no weights": (lambda: nn.Flatten(), "output of the network"),
}


@pytest.mark.parametrize("name", POINTS)
def test_the_read_point_of_every_kind_of_ending(name):
    build, expected = POINTS[name]
    torch.manual_seed(0)
    net = build().eval()
    x = torch.rand(4, 3, 8, 8)
    assert str(find_read_point(net, x)) == expected
    found = representations(net, x)
    assert found.layer == expected
    assert found.values.shape[0] == 4
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("efficientnet_lite0", "input of classifier"),
        ("squeezenet1_1", "input of classifier.1"),
        ("vgg11", "input of classifier.6"),
        ("googlenet", "input of fc"),
        ("lenet5", "input of output"),
    ],
)
def test_the_read_point_of_the_catalogues_networks(name, expected):
    side, channels = (32, 1) if name == "lenet5" else (64, 3)
    net = striate.create_model(name).eval()
    point = find_read_point(net, torch.rand(1, channels, side, side), classes=1000)
    assert str(point) == expected


def test_it_is_what_the_network_itself_computes():
    net = striate.load("efficientnet_lite0")
    photos = [np.random.default_rng(i).integers(0, 255, (80, 100, 3), dtype=np.uint8) for i in range(3)]
    found = representations(net, photos, batch_size=2, workers=0)
    with torch.inference_mode():
        pooled = net.features(photos, layers=["global_pool"])["global_pool"].flatten(1)
        logits = net.module.classifier(torch.from_numpy(found.values))
    np.testing.assert_allclose(found.values, pooled.numpy(), atol=2e-4 * pooled.abs().max().item())
    assert found.answers == tuple(answers[0].label for answers in net.classify(photos))
    assert [net.labels[int(i)] for i in logits.argmax(1)] == list(found.answers)
    assert found.thumbnails.shape == (3, 64, 64, 3)


def test_maps_are_averaged_and_said_so():
    torch.manual_seed(0)
    net = squeezed().eval()
    x = torch.rand(3, 3, 8, 8)
    found = representations(net, x)
    assert found.averaged
    torch.testing.assert_close(torch.from_numpy(found.values), net[:2](x).mean((2, 3)).detach())
    named = representations(net, x, layer="0")
    assert named.layer == "output of 0"
    torch.testing.assert_close(torch.from_numpy(named.values), net[0](x).mean((2, 3)).detach())


def test_nothing_is_left_behind_also_after_an_error():
    net = squeezed().train()
    with pytest.raises(UnknownNameError, match="has no layer '9'"):
        representations(net, torch.rand(2, 3, 8, 8), layer="9")
    with pytest.raises(RuntimeError):
        read_vectors(net, torch.rand(2, 1, 8, 8), find_read_point(net, torch.rand(2, 3, 8, 8)))
    with torch.no_grad():
        representations(net, torch.rand(2, 3, 8, 8))
    assert all(part.training for part in net.modules())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def test_nan_is_refused_by_name():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    x = torch.rand(3, 3, 2, 2)
    x[1, 0, 0, 0] = torch.nan
    with pytest.raises(WeightsError, match=r"'picture 1' .* is not finite"):
        representations(net, x)
    with pytest.raises(ShapeError, match="row 1 is not"):
        Representations.of([[0.0], [np.inf]])


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(3):
            pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def network():
    return striate.load("lenet5.mnist")


def test_labels_are_the_folders_and_what_is_damaged_is_named_and_skipped(folder, network):
    (folder / "cat" / "1.png").write_bytes(b"junk")
    Image.new("RGB", (9, 9)).save(folder / "loose.png")
    found = representations(network, folder, workers=0)
    assert found.names == ("cat/0.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png", "loose.png")
    assert found.labels == ("cat", "cat", "dog", "dog", "dog", "")
    assert found.classes == ("cat", "dog")
    assert len(found.problems) == 1
    assert "1.png" in found.problems[0]
    assert representations(network, folder / "dog", workers=0).labels is None


def test_a_data_file_and_a_split_folder_keep_their_labels(folder, network, tmp_path):
    by_set = representations(network, open_data(folder), workers=0)
    assert by_set.labels == ("cat",) * 3 + ("dog",) * 3
    (tmp_path / "set").mkdir()
    folder.rename(tmp_path / "set" / "train")
    assert representations(network, tmp_path / "set", workers=0).labels == by_set.labels


def test_a_cache_is_gone_on_with_and_only_what_changed_is_read(folder, network, tmp_path, monkeypatch):
    cache = tmp_path / "cache.npz"
    first = representations(network, folder, workers=0, cache=cache)
    passes = []
    forward = type(network.module).forward
    monkeypatch.setattr(type(network.module), "forward", lambda net, x: passes.append(len(x)) or forward(net, x))
    again = representations(network, folder, workers=0, cache=cache)
    assert not passes
    np.testing.assert_array_equal(first.values, again.values)
    assert again.names == first.names
    stroke = Image.new("RGB", (40, 40), "white")  # ink, which a network of digits looks for
    stroke.paste("black", (18, 6, 23, 34))
    stroke.save(folder / "dog" / "1.png")
    changed = representations(network, folder, workers=0, cache=cache, folded=False)
    assert passes
    same = [i for i, name in enumerate(first.names) if name != "dog/1.png"]
    np.testing.assert_array_equal(changed.values[same], first.values[same])
    assert (changed.values[first.names.index("dog/1.png")] != first.values[first.names.index("dog/1.png")]).any()
    fresh = representations(network, folder, workers=0, folded=False)
    np.testing.assert_allclose(changed.values, fresh.values, atol=1e-5)
    assert representations(network, folder, workers=0, cache=cache, layer="f6").layer == "output of f6"


def test_saved_and_loaded(folder, network, tmp_path):
    found = representations(network, folder, workers=0)
    back = Representations.load(found.save(tmp_path / "r.npz"))
    np.testing.assert_array_equal(back.values, found.values)
    np.testing.assert_array_equal(back.thumbnails, found.thumbnails)
    assert back.settings() == found.settings()
    lines = found.save(tmp_path / "r.csv").read_text().splitlines()
    assert lines[0].startswith("name,label,answer,v0")
    assert len(lines) == 7
    with pytest.raises(ConfigError, match=r"must end in \.npz"):
        found.save(tmp_path / "r.txt")
    (tmp_path / "bad.npz").write_bytes(b"x")
    with pytest.raises(DataError, match="no saved result"):
        Representations.load(tmp_path / "bad.npz")


def test_refusals(network, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no picture in this folder"):
        representations(network, tmp_path / "empty")
    with pytest.raises(ConfigError, match="one for each of 2 pictures; got 1"):
        representations(nn.Flatten(), torch.rand(2, 3, 2, 2), labels=["a"])
    with pytest.raises(ConfigError, match="thumbnail must be at least 8"):
        representations(nn.Flatten(), torch.rand(2, 3, 2, 2), thumbnail=2)
    one, other = Representations.of([[0.0, 1.0]]), Representations.of([[0.0]])
    with pytest.raises(ConfigError, match="another length"):
        one.joined(other)
