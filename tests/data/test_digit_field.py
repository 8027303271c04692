"""A figure becomes 20 pixels in its longer side, its center of mass in the middle; what is a field already stays."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from striate.data import Preprocessing
from striate.data.digit_field import draw_field, is_field
from striate.errors import ConfigError, ShapeError
from tests.data.papers import box_of, photo, written

torch = pytest.importorskip("torch")

MNIST = Preprocessing(input_size=(32, 32), resize=28, channels="L", mean=(20 / 255,), std=(200 / 255,), locate="ink")
PLAIN = Preprocessing(input_size=(32, 32), resize=28, channels="L", mean=(20 / 255,), std=(200 / 255,))


def center_of_mass(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    gray = pixels.astype(float)
    return tuple(float(gray.sum(1 - axis) @ np.arange(gray.shape[axis]) / gray.sum()) for axis in (0, 1))


def box(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """Height and width of what is brighter than an eighth."""
    return tuple(int(np.ptp(np.flatnonzero((pixels > 32).any(1 - axis)))) + 1 for axis in (0, 1))


def scans(count: int = 40) -> NDArray[np.uint8]:
    """Digits as the MNIST set has them, 28 × 28: scikit-learn's, enlarged to 20 and shifted."""
    fields = np.zeros((count, 28, 28), np.uint8)
    for field, digit in zip(fields, load_digits().images, strict=False):
        big = Image.fromarray(np.uint8(digit * 15.9)).resize((20, 20), Image.Resampling.BICUBIC)
        field[4:24, 4:24] = np.asarray(big)
    return fields


@pytest.mark.parametrize("text", list("0123456789"))
def test_size_and_center_are_those_of_the_data_set(text: str) -> None:
    field = draw_field(photo(written(text), shadow=0.3, grain=0.02, jpeg=60), side=28, size=(28, 28))
    assert field is not None
    assert max(box(field.pixels)) == pytest.approx(20, abs=1)
    ink_h, ink_w = np.diff(np.reshape(box_of(written(text)), (2, 2)), axis=0)[0][::-1]
    assert min(box(field.pixels)) == pytest.approx(20 * min(ink_h, ink_w) / max(ink_h, ink_w), abs=1.5)
    np.testing.assert_allclose(center_of_mass(field.pixels), (14, 14), atol=0.5)
    assert field.pixels.max() == 255
    assert field.pixels[0].max() == field.pixels[:, 0].max() == 0


@pytest.mark.parametrize("height", [12, 30, 90, 300])
def test_the_size_on_the_photo_does_not_matter(height: int) -> None:
    big = draw_field(photo(written("3", height=600, size=(900, 900))), side=28, size=(28, 28))
    other = draw_field(photo(written("3", height=height, size=(500, 600))), side=28, size=(28, 28))
    assert big is not None
    assert other is not None
    assert np.abs(big.pixels.astype(int) - other.pixels).mean() < (25 if height < 20 else 10)


def test_polarity_and_pen_do_not_matter() -> None:
    black = draw_field(photo(written("7")), side=28, size=(28, 28))
    chalk = draw_field(photo(written("7"), paper=(0.1, 0.25, 0.17), pen=(0.9, 0.9, 0.9)), side=28, size=(28, 28))
    pencil = draw_field(photo(written("7"), pen=(0.7, 0.7, 0.7)), side=28, size=(28, 28))
    for other in (chalk, pencil):
        assert np.abs(black.pixels.astype(int) - other.pixels).mean() < 3
    assert black.steps[0].startswith("Dark ink on light paper: inverted")
    assert chalk.steps[0].startswith("Light ink on dark paper: kept")


def test_the_crop_is_the_part_of_the_photo_that_the_field_shows() -> None:
    ink = written("2", height=150, size=(400, 500), at=(180, 220))
    view = MNIST.view(photo(ink))
    left, top, right, bottom = view.crop
    assert right - left == pytest.approx(bottom - top)
    y, x = np.nonzero(view.pixels[..., 0] > 127)
    scale = (right - left) / 32
    shown = (left + x.min() * scale, top + y.min() * scale, left + (x.max() + 1) * scale, top + (y.max() + 1) * scale)
    np.testing.assert_allclose(shown, box_of(ink), atol=0.7 * scale)
    assert view.photo_size == (400, 500)


def test_a_hairline_is_made_as_thick_as_a_scan() -> None:
    page = np.full((400, 400, 3), 235, np.uint8)
    page[100:300, 200:202] = 20
    page[298:300, 120:280] = 20
    field = draw_field(page, side=28, size=(28, 28))
    assert field is not None
    assert any("thin strokes" in step for step in field.steps)
    column = field.pixels[6:14].astype(float).sum(1) / 255
    assert np.all((column > 1.2) & (column < 3))
    assert max(box(field.pixels)) == pytest.approx(20, abs=1)


def test_prepared_digits_stay_as_they_are_to_the_pixel() -> None:
    for scan in scans():
        rgb = np.repeat(scan[:, :, None], 3, axis=2)
        padded = np.pad(scan, 2)
        for picture in (rgb, np.repeat(padded[:, :, None], 3, axis=2), Image.fromarray(scan)):
            view = MNIST.view(np.asarray(Image.fromarray(np.asarray(picture)).convert("RGB")))
            np.testing.assert_array_equal(view.pixels[..., 0], padded)
            assert "kept" in view.steps[0]
        np.testing.assert_array_equal(MNIST(rgb).numpy(), PLAIN(rgb).numpy())
    assert MNIST.view(rgb).crop == (-2.0, -2.0, 30.0, 30.0)


def test_inverted_scans_come_back_nearly_as_they_were() -> None:
    away = []
    for scan in scans():
        view = MNIST.view(np.repeat(255 - scan[:, :, None], 3, axis=2))
        assert view.steps[0].startswith("Dark ink")
        away.append(np.abs(view.pixels[..., 0].astype(int) - np.pad(scan, 2)).mean())
    assert np.median(away) < 20  # scikit-learn's digits are neither centered nor sharp


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P", "1", "I;16"])
def test_every_mode_of_picture(mode: str) -> None:
    ink = written("4")
    gray = photo(ink)[..., 0]
    picture = Image.fromarray(gray.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(gray).convert(mode)
    if mode in {"RGBA", "LA"}:  # ink on nothing
        alpha = Image.fromarray(np.uint8(255 * ink))
        picture = Image.merge(mode, [*Image.new("RGB" if mode == "RGBA" else "L", alpha.size).split(), alpha])
    expected = MNIST(photo(ink))
    assert (MNIST(picture) - expected).abs().mean() < 0.06


def test_blank_paper_is_an_empty_field_and_said_so() -> None:
    view = MNIST.view(np.full((200, 300, 3), 240, np.uint8))
    assert view.pixels.shape == (32, 32, 3)
    assert not view.pixels.any()
    assert "No ink was found" in view.steps[0]


def test_other_figures_are_told() -> None:
    two = np.maximum(written("2", height=100, at=(40, 30)), written("8", height=170, at=(60, 200)))
    assert any("one more figure was left out" in step for step in MNIST.view(photo(two)).steps)


def test_a_tensor_holds_prepared_digits() -> None:
    x = torch.rand(2, 3, 28, 28, requires_grad=True)
    out = MNIST(x)
    assert out.shape == (2, 1, 32, 32)
    torch.testing.assert_close(out, PLAIN(x))
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.abs().min() > 0
    torch.testing.assert_close(MNIST(torch.nn.functional.pad(x, (2, 2, 2, 2))), out)
    with pytest.raises(
        ShapeError, match=r"prepared digits, n 3 28 28 or n 3 32 32, got float32 1 3 40 40; give photos"
    ):
        MNIST(torch.rand(1, 3, 40, 40))


def test_what_a_field_is() -> None:
    black = np.zeros((28, 28, 3), np.uint8)
    assert is_field(black, {(28, 28)})
    assert not is_field(black, {(32, 32)})
    assert not is_field(black + 200, {(28, 28)})
    noisy = black + np.random.default_rng(0).integers(0, 20, black.shape, dtype=np.uint8)
    assert is_field(noisy, {(28, 28)})


def test_settings_travel_and_are_checked() -> None:
    assert Preprocessing.from_dict(MNIST.to_dict()) == MNIST
    assert MNIST.describe().startswith("Ink found on the paper, as MNIST's digits in 28 × 28, center 32 × 32, gray in")
    for resize in (None, 256):
        with pytest.raises(ConfigError, match=r"resize must be a number of pixels that fits input_size=\(224, 224\)"):
            Preprocessing(resize=resize, locate="ink")
