"""Every way of looking works on a photo of a digit: what is looked at is the field that was cut out of it."""

import numpy as np
import pytest
import torch

from striate.data import Labels, Preprocessing
from striate.insight import occlusion, saliency
from striate.models import Network, create_model
from tests.data.papers import photo, written

DIGITS = Preprocessing(input_size=(32, 32), resize=28, channels="L", mean=(20 / 255,), std=(200 / 255,), locate="ink")


@pytest.fixture(params=["lenet5", "lenet5_relu"])
def network(request: pytest.FixtureRequest) -> Network:
    torch.manual_seed(0)
    return Network(request.param, create_model(request.param).eval(), DIGITS, Labels.load("mnist"))


def test_maps_lie_on_the_field(network: Network) -> None:
    page = photo(written("5"), shadow=0.4, grain=0.02)
    field = DIGITS.view(page).pixels
    gradient = saliency(network, page)
    hidden = occlusion(network, page, window=6, stride=3)
    assert gradient.values.shape == hidden.values.shape == (1, 32, 32)
    prepared = torch.from_numpy(field).permute(2, 0, 1)[None] / 255
    np.testing.assert_allclose(gradient.values, saliency(network, prepared).values, rtol=1e-4, atol=1e-7)
    # What is hidden where nothing is written changes little: the patch has nearly the color of the ground.
    ink = field[..., 0] > 0
    assert np.abs(hidden.values[0][ink]).mean() > 2 * np.abs(hidden.values[0][~ink]).mean()


def test_a_photo_and_the_field_it_becomes_get_one_answer(network: Network) -> None:
    page = photo(written("2"), pen=(0.2, 0.3, 0.7), jpeg=70)
    field = DIGITS.view(page).pixels
    torch.testing.assert_close(network.logits(page), network.logits(field))
    torch.testing.assert_close(network.logits(page), network.logits(np.ascontiguousarray(field[2:30, 2:30])))
