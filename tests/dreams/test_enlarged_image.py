"""A picture written down smaller than it is seen."""

import pytest
import torch
from torch.nn import functional as F

from striate.dreams import EnlargedImage, FourierImage, PixelImage
from striate.errors import ShapeError


def test_it_is_seen_enlarged_and_changed_in_its_own_numbers() -> None:
    small = PixelImage(torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    image = EnlargedImage(small, (10, 14))
    assert image.count == 2
    (pixels,) = image.parameters()
    torch.testing.assert_close(image.image(), F.interpolate(pixels, (10, 14), mode="bicubic", align_corners=False))
    (gradient,) = torch.autograd.grad(image.image().sum(), pixels)
    assert gradient.sum().item() == pytest.approx(2 * 3 * 10 * 14)


def test_at_its_own_size_it_is_the_picture_itself() -> None:
    small = FourierImage.noise(1, (8, 8), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(EnlargedImage(small, (8, 8)).image(), small.image())


def test_resizing_keeps_the_numbers_and_refining_changes_them() -> None:
    image = EnlargedImage(PixelImage(torch.full((1, 1, 4, 4), 0.25)), (8, 8))
    assert image.resize(12, 9).image().shape == (1, 1, 12, 9)
    finer = image.refine(8, 8)
    assert finer.parameters()[0].shape == (1, 1, 8, 8)
    torch.testing.assert_close(finer.image(), image.image())
    with torch.no_grad():
        finer.parameters()[0].add_(2.0)
    finer.project()
    assert finer.image().max() == 1.0
    with pytest.raises(ShapeError, match="at least one pixel"):
        EnlargedImage(finer, (0, 4))
