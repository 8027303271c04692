"""What the network saw: the photo with the crop outlined, the picture that went in, and the steps between them."""

from dataclasses import dataclass

from striate.insight import Explanation
from striate.report.embed import LOSSLESS_PIXELS, block_of, jpeg_uri, photo_uri, smaller
from striate.report.evidence import MOST_PIXELS

__all__ = ["ViewSection", "build_view"]

CHANNEL_NAMES = {
    "RGB": "red, green, blue",
    "BGR": "blue, green, red (the order of OpenCV and Caffe)",
    "L": "grey: one channel of luma",
}


@dataclass(frozen=True)
class ViewSection:
    """Pictures, the crop in photo pixels, and the steps in words."""

    photo: str
    seen: str
    height: int
    width: int
    photo_height: int
    photo_width: int
    crop: tuple[float, float, float, float]
    box: tuple[float, float, float, float]
    steps: tuple[str, ...]
    sentence: str
    lossless: bool
    lost: str
    photo_ratio: float
    seen_ratio: float


def build_view(explanation: Explanation) -> ViewSection:
    """Pictures and words of the third section."""
    height, width = explanation.seen.shape[:2]
    block = block_of(height, width, MOST_PIXELS)
    photo_height, photo_width = explanation.photo_size
    left, top, right, bottom = explanation.crop
    frame = (min(0.0, left), min(0.0, top), max(photo_width, right), max(photo_height, bottom))
    inside = max(0.0, min(right, photo_width) - max(left, 0.0)) * max(0.0, min(bottom, photo_height) - max(top, 0.0))
    share = inside / (photo_width * photo_height)
    lost = (
        "The whole photo went in."
        if share > 0.995
        else f"{100 * (1 - share):.0f}\u00a0% of the photo lies outside the crop: the network never saw it."
    )
    located = explanation.preprocessing.locate is not None
    if located and share <= 0.995:
        lost = f"The network saw the figure alone: {100 * (1 - share):.0f}\u00a0% of the photo lies outside its field."
    if not located and (left < -0.5 or top < -0.5 or right > photo_width + 0.5 or bottom > photo_height + 0.5):
        lost += " The picture was padded with black where the photo ends."
    return ViewSection(
        photo=jpeg_uri(smaller(explanation.photo, 800), most_bytes=200_000),
        seen=photo_uri(explanation.seen[::block, ::block]),
        height=height,
        width=width,
        photo_height=photo_height,
        photo_width=photo_width,
        crop=explanation.crop,
        box=(frame[0], frame[1], frame[2] - frame[0], frame[3] - frame[1]),
        steps=_steps(explanation),
        sentence=explanation.preprocessing.describe(),
        lossless=height * width <= LOSSLESS_PIXELS,
        lost=lost,
        photo_ratio=_ratio(frame[2] - frame[0], frame[3] - frame[1]),
        seen_ratio=_ratio(width, height),
    )


def _steps(explanation: Explanation) -> tuple[str, ...]:
    preprocessing = explanation.preprocessing
    height, width = explanation.seen.shape[:2]
    photo_height, photo_width = explanation.photo_size
    size = f"{photo_width}\u00a0×\u00a0{photo_height} pixels"
    steps = [f"Read {explanation.photo_name}: {size}, upright (an EXIF rotation is applied)."]
    if explanation.view_steps:
        steps += explanation.view_steps
    elif preprocessing.resize is None:
        steps.append("No resize and no crop: the network takes the photo at its own size.")
    else:
        scale = preprocessing.resize / min(photo_height, photo_width)
        steps.append(
            f"Resize so that the shorter side has {preprocessing.resize} px ({preprocessing.interpolation}, "
            f"{'antialiased, ' if preprocessing.interpolation != 'nearest' else ''}factor {scale:.3g})."
        )
        steps.append(f"Cut out the center, {width}\u00a0×\u00a0{height} pixels.")
    steps.append(
        f"Order the channels {CHANNEL_NAMES[preprocessing.channels]}, values from 0 to {preprocessing.scale:g}."
    )
    steps.append(f"Subtract {_list(preprocessing.mean)}, divide by {_list(preprocessing.std)}.")
    return tuple(steps)


def _ratio(width: float, height: float) -> float:
    """Width over height, so that two pictures side by side get one height; bounded, so that both can be seen."""
    return round(min(max(width / height, 0.4), 2.5), 3)


def _list(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values) if len(set(values)) > 1 else f"{values[0]:g}"
