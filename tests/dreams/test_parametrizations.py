"""Parametrizations against NumPy's Fourier transform, and what all of them have in common."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from striate.dreams import (
    FourierImage,
    Parametrization,
    PhaseImage,
    PixelImage,
    color_matrix,
    magnitude_spectrum,
    photo_spectrum,
)
from striate.dreams.color import PHOTO_COLORS, correlate_colors, decorrelate_colors
from striate.errors import ConfigError, ShapeError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(kind: str, size: tuple[int, int] = (9, 12), count: int = 2) -> Parametrization:
    if kind == "pixels":
        return PixelImage.noise(count, size, generator=generator(), dtype=torch.float64)
    made = FourierImage.noise if kind == "fourier" else PhaseImage.noise
    return made(count, size, generator=generator(), dtype=torch.float64)


KINDS = ("pixels", "fourier", "phases")


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (6, 11), (1, 1)])
def test_the_fourier_image_is_lucids_formula(size: tuple[int, int]) -> None:
    h, w = size
    made = FourierImage.noise(2, size, generator=generator(), spread=1.0, dtype=torch.float64)
    c = made.coefficients.detach().numpy()
    fy, fx = np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None]
    scale = np.sqrt(w * h) / np.maximum(np.sqrt(fx**2 + fy**2), 1 / max(w, h))
    plane = np.fft.irfft2((c[..., 0] + 1j * c[..., 1]) * scale, s=(h, w)) / 4
    root = np.array(PHOTO_COLORS)
    matrix = root / np.linalg.norm(root, axis=0).max()
    rgb = np.einsum("ij,njhw->nihw", matrix, plane)
    np.testing.assert_allclose(made.image().detach().numpy(), 1 / (1 + np.exp(-rgb)), atol=1e-12)


def test_the_phase_image_is_macos_formula() -> None:
    made = PhaseImage.noise(2, (9, 12), generator=generator(), dtype=torch.float64)
    phases = made.phases.detach().numpy()
    for one, picture in zip(phases, made.image().detach().numpy(), strict=True):
        p = (one - one.mean()) / (one.std() + 1e-5)
        plane = np.fft.irfft2(photo_spectrum(9, 12).numpy() * np.exp(1j * p), s=(9, 12))
        plane = (plane - plane.mean()) / (plane.std() + 1e-5)
        rgb = np.einsum("ij,jhw->ihw", color_matrix().numpy(), plane)
        np.testing.assert_allclose(picture, 1 / (1 + np.exp(-rgb)), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_in_range_and_resize(kind: str) -> None:
    made = build(kind)
    image = made.image()
    assert image.shape == (2, 3, 9, 12)
    assert image.min() >= 0
    assert image.max() <= 1
    assert made.count == 2
    larger = made.resize(18, 23)
    assert larger.image().shape == (2, 3, 18, 23)
    assert all(p.requires_grad and p.is_leaf for p in larger.parameters())
    assert made.image().shape == (2, 3, 9, 12)  # the first one is what it was


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_reaches_every_parameter(kind: str) -> None:
    made = build(kind, size=(4, 5), count=1)
    weights = torch.randn(made.image().shape, dtype=torch.float64, generator=generator(1))

    def value(parameter: Tensor) -> Tensor:
        with torch.no_grad():
            kept = made.parameters()[0].clone()
        setattr(made, {"pixels": "pixels", "fourier": "coefficients", "phases": "phases"}[kind], parameter)
        result = (made.image() * weights).sum()
        setattr(made, {"pixels": "pixels", "fourier": "coefficients", "phases": "phases"}[kind], kept)
        return result

    assert torch.autograd.gradcheck(value, (made.parameters()[0].detach().clone().requires_grad_(True),))


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_picture_for_every_device_and_caller(kind: str) -> None:
    first = build(kind).image().detach()
    with torch.inference_mode():
        second = build(kind)
    assert torch.equal(first, second.image().detach())
    assert second.parameters()[0].requires_grad


def test_a_fourier_image_starts_from_a_photo() -> None:
    photo = torch.rand(2, 3, 10, 13, generator=generator(), dtype=torch.float64) * 0.9 + 0.05
    made = FourierImage.from_image(photo)
    torch.testing.assert_close(made.image().detach(), photo, atol=1e-10, rtol=0)
    gray = photo[:, :1]
    torch.testing.assert_close(FourierImage.from_image(gray).image().detach(), gray, atol=1e-10, rtol=0)


def test_a_phase_image_keeps_a_photos_phases() -> None:
    photo = torch.rand(1, 3, 8, 8, generator=generator(), dtype=torch.float64) * 0.9 + 0.05
    spectrum = torch.fft.rfft2(decorrelate_colors(photo.logit(), color_matrix()))
    torch.testing.assert_close(PhaseImage.from_image(photo).phases.detach(), spectrum.angle())


def test_colors_come_back_and_are_uncorrelated() -> None:
    mixing = torch.tensor([[1.0, 0.3, 0.1], [1.0, 0.0, -0.2], [0.9, -0.4, 0.1]], dtype=torch.float64)
    rgb = correlate_colors(torch.randn(4, 3, 20, 20, generator=generator(), dtype=torch.float64), mixing)
    matrix = color_matrix(rgb)
    z = decorrelate_colors(rgb, matrix)
    covariance = torch.cov(z.movedim(1, 0).flatten(1))
    torch.testing.assert_close(covariance / covariance[0, 0], torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(correlate_colors(z, matrix), rgb)


def test_the_spectrum_of_pictures_is_numpys() -> None:
    photo = torch.rand(3, 3, 6, 8, generator=generator(), dtype=torch.float64)
    z = decorrelate_colors(photo, color_matrix()).numpy()
    np.testing.assert_allclose(magnitude_spectrum(photo, (6, 8)).numpy(), np.abs(np.fft.rfft2(z)).mean(0), atol=1e-10)


def test_the_photo_model_falls_with_the_frequency() -> None:
    model = photo_spectrum(64, 64)
    assert model.shape == (3, 64, 33)
    assert bool((model[:, 0, 1:].diff(dim=1) < 0).all())
    slope = math.log(float(model[0, 0, 4] / model[0, 0, 16])) / math.log(4)
    assert 0.8 < slope < 1.6


def test_pixels_stay_within_their_limits() -> None:
    made = PixelImage(torch.tensor([-1.0, 0.25, 2.0]).view(1, 1, 1, 3))
    assert made.image().flatten().tolist() == [0.0, 0.25, 1.0]
    free = PixelImage(torch.tensor([-1.0, 2.0]).view(1, 1, 1, 2), limits=None)
    assert free.image().flatten().tolist() == [-1.0, 2.0]


def test_refusals_say_what_is_wrong() -> None:
    with pytest.raises(ShapeError, match="floating point tensor 'n c h w'"):
        PixelImage(torch.zeros(3, 4, 4))
    with pytest.raises(ConfigError, match="holds NaN"):
        PixelImage(torch.full((1, 3, 2, 2), math.nan))
    with pytest.raises(ConfigError, match="low < high"):
        PixelImage(torch.zeros(1, 3, 2, 2), limits=(1.0, 0.0))
    with pytest.raises(ConfigError, match="count must be at least 1"):
        FourierImage.noise(0, (4, 4), generator=generator())
    with pytest.raises(ShapeError, match="height 0"):
        PhaseImage.noise(1, (0, 4), generator=generator())
    with pytest.raises(ShapeError, match="magnitudes must be"):
        PhaseImage.noise(1, (4, 4), generator=generator(), magnitudes=torch.ones(3, 4, 4))
    with pytest.raises(ShapeError, match="RGB"):
        color_matrix(torch.zeros(1, 1, 4, 4))
    with pytest.raises(ShapeError, match="RGB"):
        magnitude_spectrum(torch.zeros(1, 1, 4, 4), (4, 4))
