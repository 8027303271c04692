"""What `striate convolve` shows of a trace: its steps, other views of its layers, a page, an animation, a matrix.

All of it is made before any of it is written, so that what cannot be made leaves nothing behind.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.cli.words import shape
from striate.data.files import printable, write_whole
from striate.errors import ConfigError

if TYPE_CHECKING:
    from striate.arithmetic import ConvolutionTrace, Layer, LinearTrace, NetworkTrace

__all__ = ["TraceOutput", "make_trace"]


@dataclass(frozen=True, slots=True, eq=False)
class TraceOutput:
    """A trace, and the files that were made of it.

    Attributes:
        traced: Every number.
        first: The convolution to show as a linear layer, if it is wanted.
        full: The fully connected layers to show as convolutions, if they are wanted.
        contents: Path and bytes of each file by what it is: `Page`, `GIF`, `Matrix`.
    """

    traced: "NetworkTrace"
    first: "ConvolutionTrace | None"
    full: "Sequence[LinearTrace]"
    contents: Mapping[str, tuple[Path, bytes]]

    def write(self) -> None:
        """Write the files."""
        for path, content in self.contents.values():
            write_whole(path, content)

    def to_dict(self, *, steps: bool) -> dict[str, Any]:
        """What `--json` prints: every number if `steps` are wanted, and where the files are."""
        files = {name: str(path) for name, (path, _) in self.contents.items()}
        matrix = files.pop("Matrix", None)
        document: dict[str, Any] = {"trace": self.traced.to_dict(), "files": files} if steps else {}
        return document if matrix is None else document | {"matrix": matrix}

    def lines(self, *, limit: int, steps: bool) -> Iterator[str]:
        """What the terminal shows: the steps if they are wanted, the other views where no file holds them, the files.

        Args:
            limit: Steps or places to show of each layer.
            steps: Whether every step is wanted.
        """
        if steps:
            yield ""
            yield self.traced.to_text(limit=limit)
        if not {"Page", "GIF"} & set(self.contents):
            yield from self._other_views(limit)
        for name, (path, _) in self.contents.items():
            yield f"{name:<7} {printable(path)}"

    def _other_views(self, limit: int) -> Iterator[str]:
        if self.first is not None:
            yield ""
            yield self.first.as_linear().to_text(limit=limit)
        for layer in self.full:
            yield ""
            yield f"{layer.name} as a convolution: filters of {shape(layer.shape)}, which cover the whole map"
            steps = [
                f"  {step.number}. {step.text}" for step in layer.as_convolution().steps() if step.number in (3, 4)
            ]
            yield from steps[:limit]
            if len(steps) > limit:
                yield f"  … and {len(steps) - limit} more steps"


def make_trace(
    input_shape: tuple[int, int, int],
    layers: "tuple[Layer, ...]",
    *,
    photo: Path | None,
    kernel: str | None,
    seed: int,
    linear: bool,
    html: Path | None,
    gif: Path | None,
    matrix: Path | None,
) -> TraceOutput:
    """Trace the layers and make the files; nothing is written yet.

    Args:
        input_shape: c, h and w.
        layers: The layers.
        photo: As `striate.recipes.convolve.trace_layers`.
        kernel: As there.
        seed: As there.
        linear: Whether the first convolution is wanted as a linear layer, and fully connected layers as convolutions.
        html: Where the page goes, if one is wanted.
        gif: Where the animation goes.
        matrix: Where the picture of the first convolution's matrix goes.

    Raises:
        StriateError: What cannot be traced, or is too large to be shown.
    """
    from striate.recipes.convolve import trace_layers

    traced = trace_layers(input_shape, layers, photo=photo, kernel=kernel, seed=seed)
    first, full = _other_views_of(traced) if linear else (None, [])
    if first is not None:
        first.as_linear()  # one in groups is refused here, before anything is shown
    contents: dict[str, tuple[Path, bytes]] = {}
    if html is not None:
        from striate.report.trace_page import build_trace_page

        title = " → ".join([shape(traced.input.shape), *(layer.name for layer in traced.layers)])
        contents["Page"] = (html, build_trace_page(traced, title=title).encode())
    if gif is not None:
        from striate.draw import encode_gif, linear_frames, network_frames, trace_frames

        if first is not None:
            frames = linear_frames(first)
        else:
            frames = trace_frames(full[0].as_convolution()) if full else network_frames(traced)
        contents["GIF"] = (gif, encode_gif(frames))
    if matrix is not None:
        contents["Matrix"] = (matrix, _draw_matrix(_first_convolution(traced, "--matrix")))
    return TraceOutput(traced, first, full, contents)


def _other_views_of(traced: "NetworkTrace") -> "tuple[ConvolutionTrace | None, list[LinearTrace]]":
    """The first convolution, which is a linear layer, and the fully connected layers that are convolutions."""
    from striate.arithmetic import LinearTrace

    full = [one for one in traced.layers if isinstance(one, LinearTrace) and one.shape[1] * one.shape[2] > 1]
    return None if full and not _convolutions(traced) else _first_convolution(traced, "--linear"), full


def _convolutions(traced: "NetworkTrace") -> "list[ConvolutionTrace]":
    from striate.arithmetic import ConvolutionTrace

    return [one for one in traced.layers if isinstance(one, ConvolutionTrace)]


def _first_convolution(traced: "NetworkTrace", flag: str) -> "ConvolutionTrace":
    found = _convolutions(traced)
    if not found:
        raise ConfigError(f"{flag} needs a convolution among the layers, such as 'conv f=3 n=1'.")
    return found[0]


def _draw_matrix(layer: "ConvolutionTrace") -> bytes:
    import torch

    from striate.draw import draw_matrix, encode_png
    from striate.ops import convolution_matrix

    found = convolution_matrix(
        torch.from_numpy(layer.weight.copy()),
        layer.input.shape[1:],
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
    )
    rows, columns = found.matrix.shape
    if rows * columns > 50_000_000:
        raise ConfigError(f"The matrix would be {rows:,}×{columns:,}, too large to draw; take a smaller input.")
    picture = draw_matrix(
        found.to_dense().numpy(),
        row_block=rows // layer.output.shape[0],
        column_block=columns // layer.input.shape[0],
    )
    return encode_png(picture)
