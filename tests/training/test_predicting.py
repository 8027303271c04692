"""Answers of a whole set: equal to the network's own, whatever the batch, the threads and the view."""

import numpy as np
import pytest
import torch

from striate.data import Preprocessing
from striate.data.augment.draws import Draws
from striate.data.augment.ten_crop import TenCrop
from striate.data.image_set import ImageSet
from striate.data.stores import FileStore
from striate.errors import ConfigError, DataError, WeightsError
from striate.models import Network
from striate.training.predicting import predict_set
from tests.training.scenes import CLASSES, class_folders, image_set, network


def answered(net, images, **settings):
    work = predict_set(net, images, **{"workers": 1, **settings})
    seen = []
    while True:
        try:
            seen.append(next(work))
        except StopIteration as end:
            return end.value, seen


def test_center_is_what_the_network_says_of_each_picture():
    net, images = network(), image_set()
    found, seen = answered(net, images, batch_size=7)
    expected = torch.cat([net.logits(images.pixels(i)) for i in range(len(images))]).numpy()
    np.testing.assert_allclose(found.logits, expected, rtol=1e-4, atol=1e-5)
    assert found.labels.tolist() == images.labels.tolist()
    assert found.names[3] == "shades.npz#3"
    assert seen[-1] == (30, 30)
    assert [done for done, _ in seen] == [7, 14, 21, 28, 30]


@pytest.mark.parametrize("settings", [{"batch_size": 1}, {"batch_size": 30}, {"workers": 0}, {"workers": 3}])
def test_batches_and_threads_change_nothing(settings):
    first, _ = answered(network(), image_set(), batch_size=8)
    again, _ = answered(network(), image_set(), **settings)
    np.testing.assert_allclose(again.logits, first.logits, rtol=1e-4, atol=1e-5)
    assert again.names == first.names


def test_classes_in_another_order_are_matched_by_name():
    straight, _ = answered(network(), image_set())
    turned, _ = answered(network(("light", "middle", "dark")), image_set())
    assert [turned.classes[i] for i in turned.labels.tolist()] == [
        straight.classes[i] for i in straight.labels.tolist()
    ]
    assert turned.labels.tolist() != straight.labels.tolist()


def test_ten_crop_is_the_mean_of_ten_probabilities():
    net, images = network(), image_set(5)
    found, _ = answered(net, images, view="ten-crop")
    crop = TenCrop(net.preprocessing)
    for i in range(5):
        views = torch.from_numpy(crop(images.pixels(i), Draws(0, 0, np.array([i])), 0).copy())  # 10 h w 3
        x = net.preprocessing.normalize(views.permute(0, 3, 1, 2).float() / 255)
        with torch.no_grad():
            slow = net.module(x).double().softmax(1).mean(0)
        np.testing.assert_allclose(found.probabilities[i], slow, rtol=1e-5, atol=1e-6)
    assert "ten-crop" in found.facts["view"]


def test_dense_at_the_native_size_is_the_center_and_larger_pictures_are_seen_whole():
    native, images = network(), image_set(6)
    center, _ = answered(native, images)
    dense, _ = answered(native, images, view="dense")
    np.testing.assert_allclose(dense.logits, center.logits, rtol=1e-4, atol=1e-5)
    large = Network(
        native.name,
        native.module,
        Preprocessing(input_size=(32, 32), resize=40, channels="L", mean=(0.5,), std=(0.3,)),
        native.labels,
    )
    wide, _ = answered(large, images, view="dense")
    assert np.abs(wide.logits - answered(large, images)[0].logits).max() > 1e-4
    assert wide.facts["batch_size"] == 1


def test_pictures_that_cannot_be_read_are_left_out_and_named(tmp_path):
    root = class_folders(tmp_path / "data") / "val"
    (root / "dark" / "000.png").write_bytes(b"no picture")
    paths = tuple(sorted(str(p.relative_to(root)) for p in root.glob("*/*.png")))
    labels = np.array([CLASSES.index(p.split("/")[0]) for p in paths])
    found, seen = answered(network(), ImageSet(CLASSES, labels, FileStore(root, paths), root, "folder"), batch_size=5)
    assert len(found) == 11
    assert "dark/000.png" not in found.names
    assert found.facts["skipped"] == 1
    assert [p["kind"] for p in found.facts["problems"]] == ["unreadable"]
    assert seen[-1] == (12, 12)
    for path in paths:
        (root / path).write_bytes(b"")
    with pytest.raises(DataError, match="none of the 12 pictures can be read"):
        answered(network(), ImageSet(CLASSES, labels, FileStore(root, paths), root, "folder"))


def test_refusals():
    with pytest.raises(DataError, match=r"'owl'"):
        answered(network(), image_set(classes=("dark", "light", "owl")))
    with pytest.raises(ConfigError, match="'center', 'ten-crop', 'dense', got 'wide'"):
        answered(network(), image_set(), view="wide")
    with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
        answered(network(), image_set(), batch_size=0)
    with pytest.raises(DataError, match="no pictures"):
        answered(network(), image_set().subset([]))
    broken = network()
    torch.nn.init.constant_(next(broken.module.parameters()), torch.nan)
    with pytest.raises((DataError, WeightsError), match="not finite"):
        answered(broken, image_set())
