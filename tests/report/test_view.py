"""What the network saw, and the steps to it."""

from dataclasses import replace

from striate.data import Preprocessing
from striate.report.view import build_view
from tests.data.papers import photo as paper
from tests.data.papers import written
from tests.report.samples import explain, network, photo, sample


def test_the_crop_and_what_is_lost():
    section = build_view(sample())
    left, top, right, bottom = section.crop
    inside = (right - left) * (bottom - top) / (120 * 180)
    assert f"{100 * (1 - inside):.0f}\u00a0% of the photo lies outside" in section.lost
    assert (section.photo_height, section.photo_width) == (120, 180)
    assert (section.height, section.width) == (64, 64)


def test_the_steps_name_every_setting():
    steps = " ".join(build_view(sample()).steps)
    for words in (
        "180\u00a0×\u00a0120",
        "72 px (bilinear, antialiased",
        "64\u00a0×\u00a064",
        "red, green, blue",
        "0.485",
    ):
        assert words in steps
    caffe = Preprocessing(channels="BGR", scale=255, mean=(104, 117, 123), std=(1, 1, 1))
    steps = " ".join(build_view(replace(sample(), preprocessing=caffe)).steps)
    assert "blue, green, red" in steps
    assert "from 0 to 255" in steps
    assert "Subtract 104, 117, 123, divide by 1" in steps


def test_a_photo_fed_as_it_is():
    section = build_view(explain(network(preprocessing=Preprocessing(resize=None)), photo(64, 80)))
    assert section.lost == "The whole photo went in."
    assert any("No resize and no crop" in step for step in section.steps)


def test_padding_is_told_and_framed():
    section = build_view(explain(network(preprocessing=Preprocessing(input_size=(64, 64), resize=40)), photo()))
    assert "padded with black" in section.lost
    x, y, width, height = section.box
    assert x < 0 or y < 0
    assert width >= 180
    assert height >= 120


def test_what_was_found_on_the_photo_is_told_instead_of_the_resize():
    digits = Preprocessing(
        input_size=(32, 32), resize=28, channels="L", mean=(20 / 255,), std=(200 / 255,), locate="ink"
    )
    page = paper(written("5", height=60, size=(120, 180), at=(30, 60)))
    found = replace(explain(network("lenet5", digits), page), view_steps=digits.view(page).steps)
    section = build_view(found)
    steps = " ".join(section.steps)
    assert "Dark ink on light paper: inverted" in steps
    assert "20 px in its longer side" in steps
    assert "shorter side" not in steps
    assert "lies outside its field" in section.lost
    left, top, right, bottom = section.crop
    assert left < 60 < right
    assert top < 30 < bottom
