"""The main job on a small network that is trained on nothing but finds what it must, and on the default network."""

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from striate.data import Labels, Preprocessing
from striate.errors import ConfigError, DataError, UnknownNameError
from striate.insight import Explanation, occlusion, saliency
from striate.models import Network, create_model
from striate.recipes.events import Done, Plan, Progress
from striate.recipes.explain import ExplainConfig, explain, rebuild_report, run
from striate.recipes.explain_maps import METHODS, read_methods
from striate.report import build_report
from striate.weights import NativeMetadata, save_native
from striate.weights.verify import file_sha256


def small_network(folder: Path) -> Path:
    torch.manual_seed(2)
    net = create_model("squeezenet1_1", num_classes=6)
    labels = Labels(("ant", "bee", "cat", "</script><b>dog", "egg", "fox & hen"))
    metadata = NativeMetadata(
        "squeezenet1_1", "as built", "trained", Preprocessing(input_size=(64, 64), resize=64), labels
    )
    return save_native(folder / "small.safetensors", net.state_dict(), metadata=metadata)


def photo(folder: Path, height: int = 90, width: int = 120) -> Path:
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 2 % 256, y * 2 % 256, (x * y) % 256], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "a photo.png")
    return folder / "a photo.png"


def explained(folder: Path, **changes: object) -> Explanation:
    # Few windows: a sweep is most of the time.
    settings = {"network": str(small_network(folder)), "out": folder / "out", "stride": 16, **changes}
    if "photo" not in settings:
        settings["photo"] = photo(folder)
    *_, done = run(ExplainConfig(**settings))
    assert isinstance(done, Done)
    return done.result


def test_events_come_in_order_and_the_files_are_there(tmp_path: Path) -> None:
    config = ExplainConfig(photo=photo(tmp_path), network=str(small_network(tmp_path)), out=tmp_path / "out")
    events = list(run(config))
    assert isinstance(events[0], Plan)
    assert isinstance(events[-1], Done)
    assert all(isinstance(event, Progress) for event in events[1:-1])
    windows = [e for e in events if isinstance(e, Progress) and e.stage == "occlusion"]
    assert windows[-1].done == windows[-1].total == 196  # 64 px: 13 wide, 4 apart
    assert all(path.stat().st_size > 0 for path in events[-1].files.values())
    assert events[-1].files["report"] == tmp_path / "out" / "report.html"
    weights = events[-1].result.weights
    assert weights == {"name": config.network, "sha256": file_sha256(Path(config.network))}


def test_the_parts_belong_together(tmp_path: Path) -> None:
    result = explained(tmp_path, top=3, window=16, stride=8)
    assert len(result.answers) == 3
    assert result.target == result.answers[0]
    assert result.seen.shape == (64, 64, 3)
    assert result.photo_size == (90, 120)
    assert result.saliency.values.shape == result.occlusion.values.shape == (1, 64, 64)
    assert result.occlusion.grid is not None
    assert result.occlusion.grid.shape == (1, 7, 7, 3)
    assert result.occlusion_classes == tuple(answer.index for answer in result.answers)
    np.testing.assert_allclose(
        result.occlusion.baseline[0], [answer.probability for answer in result.answers], rtol=1e-5
    )
    assert [s.address for s in result.activations] == [
        stage.address for stage in result.summary.stages if max(stage.output_shape[2:], default=1) > 1
    ]


def test_a_target_outside_the_top_is_explained_and_kept(tmp_path: Path) -> None:
    least = explained(tmp_path, top=6).answers[-1]
    result = explained(tmp_path, top=1, target=least.label)
    assert result.target.index == least.index
    assert result.saliency.target == result.occlusion.target == (least.index,)
    assert result.occlusion_classes == (result.answers[0].index, least.index)


def test_an_index_as_target_is_the_same_as_its_name(tmp_path: Path) -> None:
    by_name, by_index = explained(tmp_path, target="bee"), explained(tmp_path, target=1)
    np.testing.assert_array_equal(by_name.saliency.values, by_index.saliency.values)


def test_the_same_photo_gives_the_same_numbers(tmp_path: Path) -> None:
    one, two = explained(tmp_path), explained(tmp_path)
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(two.arrays()[name], array)


def test_the_page_is_drawn_again_from_the_data(tmp_path: Path) -> None:
    explained(tmp_path)
    report = tmp_path / "out" / "report.html"
    first = report.read_bytes()
    report.unlink()
    assert rebuild_report(tmp_path / "out") == report
    assert report.read_bytes() == first


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (700, 3), (2000, 1500)])
def test_any_photo_size_works(size: tuple[int, int], tmp_path: Path) -> None:
    result = explained(tmp_path, photo=photo(tmp_path, *size))
    assert result.photo_size == size
    assert max(result.photo.shape) <= 1600
    assert np.isfinite(result.saliency.values).all()


def test_faults_come_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.png"):
        list(run(ExplainConfig(photo=tmp_path / "nothing.png")))
    network = str(small_network(tmp_path))
    with pytest.raises(UnknownNameError, match="zebra"):
        list(run(ExplainConfig(photo=photo(tmp_path), network=network, target="zebra", out=tmp_path / "o")))
    assert not (tmp_path / "o").exists()


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(DataError, match=r"cannot write to .*taken.* --out"):
        explained(tmp_path, out=tmp_path / "taken")


def test_the_default_folder_is_named_after_photo_and_network() -> None:
    assert ExplainConfig(photo=Path("a/my photo.jpg"), network="resnet50").folder == Path(
        "striate-out/my_photo-resnet50"
    )


def test_a_network_finds_what_it_looks_for() -> None:
    """A black photo with one red square, and a network that counts red: nothing but the square may matter."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1, bias=False), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[0.0, 0, 0], [60.0, 0, 0]]).view(2, 3, 1, 1))
    plain = Preprocessing(input_size=(64, 64), resize=64, mean=(0.0,) * 3, std=(1.0,) * 3)
    network = Network("counts_red", net, plain, Labels(("other", "red")))
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[20:36, 30:46, 0] = 255
    drop = occlusion(network, pixels, target="red", window=8, stride=4, fill=0.0).values[0]
    assert drop[20:36, 30:46].min() > 0
    reached = np.zeros((64, 64), bool)
    reached[20 - 8 : 36 + 8, 30 - 8 : 46 + 8] = True  # a window reaches a window's side beyond the square
    np.testing.assert_allclose(drop[~reached], 0, atol=1e-6)
    row, column = np.unravel_index(drop.argmax(), drop.shape)
    assert row in range(20, 36)
    assert column in range(30, 46)
    np.testing.assert_allclose(saliency(network, pixels, target="red").values, 60 / 64**2, rtol=1e-5)


def test_the_patch_of_a_small_picture_is_small() -> None:
    """A patch of 16 would hide half of a digit: two places, and no map."""
    from striate.recipes.explain import _patch

    assert _patch(32, None, None) == (6, 2)
    assert _patch(224, None, None) == (16, 8)
    assert _patch(32, 16, None) == (16, 2)
    assert _patch(224, 4, None) == (4, 4)
    assert _patch(32, None, 16) == (16, 16)
    assert _patch(4, None, None) == (2, 1)


def test_every_method_gives_a_map_that_is_kept_drawn_and_ranked(tmp_path: Path) -> None:
    result = explained(tmp_path, methods=("all",))
    assert tuple(result.found) == tuple(METHODS)
    assert {found.values.shape[-2:] for found in result.found.values()} == {(64, 64)}
    assert {found.target for found in result.found.values()} == {(result.target.index,)}
    assert tuple(result.trust) == (*METHODS, "random")
    assert all(0 <= score <= 1 for scores in result.trust.values() for score in scores.values())
    again = Explanation.load(tmp_path / "out")
    assert tuple(again.found) == tuple(METHODS)
    for method, found in result.found.items():
        np.testing.assert_array_equal(again.found[method].values, found.values)
        assert (tmp_path / "out" / f"{method}.png").is_file()

    assert again.trust == result.trust
    assert result.provenance["command"].endswith("--method all")


@pytest.mark.parametrize("methods", [("grad-cam",), ("Saliency,guided_backprop",), ("occlusion",)])
def test_only_the_maps_that_are_asked_for(methods: tuple[str, ...], tmp_path: Path) -> None:
    result = explained(tmp_path, methods=methods, checks=False)
    assert tuple(result.found) == read_methods(methods)
    assert result.trust == {}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert ('id="evidence"' in page) == ("occlusion" in result.found)
    for method in METHODS:
        assert (f'data-map="{method}"' in page) == (method in result.found)
    assert page.count('id="raw"') == 1


class Clamped(nn.Module):
    """Rectifies in a way that is no ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).clamp(min=0).mean((2, 3)))


def test_a_method_that_the_network_refuses_is_noted_or_an_error(tmp_path: Path) -> None:
    torch.manual_seed(0)
    preprocessing = Preprocessing(input_size=(32, 32), resize=32)
    network = Network("clamped", Clamped().eval(), preprocessing, Labels(("a", "b", "c", "d")))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    config = ExplainConfig(photo=tmp_path / "p.png", stride=8, window=8)
    result = _result(explain(network, pixels, config))
    assert "guided_backprop" not in result.found
    assert len(result.notes) == 2
    assert all("clamp" in note for note in result.notes)
    assert "clamp" in build_report(result)
    with pytest.raises(ConfigError, match="clamp"):
        _result(explain(network, pixels, config.model_copy(update={"methods": ("guided-backprop",)})))


def test_without_a_rectifier_the_page_says_that_it_is_the_plain_gradient(tmp_path: Path) -> None:
    module = create_model("lenet5", num_classes=4).eval()  # tanh
    preprocessing = Preprocessing(input_size=(32, 32), resize=32, channels="L", mean=(0.5,), std=(0.5,))
    network = Network("lenet5", module, preprocessing, Labels(("a", "b", "c", "d")))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    result = _result(explain(network, pixels, ExplainConfig(photo=tmp_path / "p.png", stride=8, window=8)))
    assert build_report(result).count("has no rectifier that the rule could change") == 2


def test_a_method_that_does_not_exist_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="grad-cam"):
        list(run(ExplainConfig(photo=photo(tmp_path), methods=("gradcam",))))


def _result(steps: Generator[Progress, None, Explanation]) -> Explanation:
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            found: Explanation = finished.value
            return found
