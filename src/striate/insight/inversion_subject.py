"""One photo as a picture that can be painted again: in [0, 1], with the way from there into the network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.data.images import Images, checked_tensor, read_photos
from striate.data.preprocessing import Preprocessing
from striate.dreams import Subject, build_subject
from striate.dreams.objectives import OUTPUT
from striate.errors import ConfigError, ShapeError
from striate.insight.target import module_and_input
from striate.models import Network

__all__ = ["OUTPUT_NAME", "Pictured", "picture_of"]

OUTPUT_NAME = "output"
"""Stands for what the module itself answers, unless it has a layer of that name."""


@dataclass(frozen=True, eq=False)
class Pictured:
    """A photo, and what looks at it.

    Attributes:
        subject: The network.
        photo: `1 c h w` in [0, 1].
        limits: What 0 and 1 mean in the caller's units: (0, 1) for a `Network`, the smallest and largest value of the
            tensor for a plain module.
    """

    subject: Subject
    photo: Float[Tensor, "1 c h w"]
    limits: tuple[float, float]

    def path(self, layer: str) -> str:
        """The layer's path as objectives have it."""
        if layer == OUTPUT_NAME and not any(name == layer for name, _ in self.subject.module.named_modules()):
            return OUTPUT
        return layer

    def answer(self, layer: str) -> Float[Tensor, "1 ..."]:
        """Φ₀, what the layer answers to the photo.

        Raises:
            UnknownNameError: No such layer, or it is not called.
            ConfigError: An empty name, a channel of a layer, only zeros, or numbers that are not finite.
            ShapeError: No floating point tensor of one picture.
        """
        if not layer or ":" in layer:
            raise ConfigError(
                f"layer must be a whole layer, such as 'features.3', or '{OUTPUT_NAME}'; got {layer!r}. One channel "
                "alone is what `striate.dreams` paints."
            )
        path = self.path(layer)
        with torch.inference_mode(False), torch.no_grad():
            answer = self.subject.read(self.photo, [path])[path].detach()
        if not answer.is_floating_point() or answer.dim() < 2 or len(answer) != 1:
            raise ShapeError(
                f"layer '{layer}' must give one floating point answer a picture, '1 c …'; got {answer.dtype} "
                f"{tuple(answer.shape)}."
            )
        if not bool(answer.isfinite().all()):
            raise ConfigError(
                f"layer '{layer}' answers numbers that are not finite (NaN or infinity) to the photo; check the "
                "weights and the picture."
            )
        if not bool(answer.count_nonzero()):
            raise ConfigError(f"layer '{layer}' answers only zeros to the photo: there is nothing to invert.")
        return answer


def picture_of(network: Network | nn.Module, image: Images, *, size: int | tuple[int, int] | None = None) -> Pictured:
    """The photo as the network sees it, at any size.

    Args:
        network: A `Network` (the image is a photo), or any module (the image is its input).
        image: One photo: a path, bytes, uint8 `h w 3`, or an RGB tensor `1 3 h w` in [0, 1], which is taken at its own
            size; for a plain module the tensor `1 c h w` that goes in.
        size: Side in pixels, or `(h, w)`, for a photo that is no tensor; by default what the network was trained at.

    Raises:
        ShapeError: Not one picture.
        ConfigError: `size` below 1, for a tensor or a plain module, or for a network that finds its figure by itself.
    """
    if size is not None and (isinstance(image, Tensor) or not isinstance(network, Network)):
        raise ConfigError("size is for photos; a tensor is taken at its own size. Resize it first.")
    if not isinstance(network, Network):
        module, x = module_and_input(network, image)
        _require_one(len(x))
        if not x.is_floating_point() or not bool(x.isfinite().all()):
            raise ShapeError(f"image must be a finite floating point tensor '1 c h w'; got {x.dtype}.")
        low, high = float(x.min()), float(x.max())
        if low == high:
            raise ConfigError(f"image must have at least two values to be painted again; all are {low:g}.")
        subject = build_subject(module, channels=x.shape[1], limits=(low, high))
        photo = (x.detach() - low) / (high - low)
        return _on_device(subject, photo, (low, high))
    subject = build_subject(network)
    if isinstance(image, Tensor):
        photo = checked_tensor(image).detach()
    else:
        photos = read_photos(image)
        _require_one(len(photos))
        view = _sized(network.preprocessing, size).view(photos[0])
        photo = torch.from_numpy(view.pixels.copy()).permute(2, 0, 1)[None].float() / 255
    _require_one(len(photo))
    if subject.channels == 1:
        weights = photo.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
        photo = (photo * weights).sum(1, keepdim=True)
    return _on_device(subject, photo, (0.0, 1.0))


def _sized(preprocessing: Preprocessing, size: int | Sequence[int] | None) -> Preprocessing:
    """The same preprocessing for another size; what the crop leaves out stays in proportion."""
    if size is None:
        return preprocessing
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ConfigError(f"size must be at least 1 pixel a side; got {height} × {width}.")
    if preprocessing.locate is not None:
        raise ConfigError("size cannot be changed for a network that finds its figure on the photo by itself.")
    resize = preprocessing.resize
    if resize is not None:
        resize = max(round(resize * min(height, width) / min(preprocessing.input_size)), min(height, width))
    return replace(preprocessing, input_size=(height, width), resize=resize)


def _on_device(subject: Subject, photo: Tensor, limits: tuple[float, float]) -> Pictured:
    """Pictures are painted in 32 bits at least."""
    return Pictured(subject.in_full(), photo.to(device=subject.device, dtype=subject.picture_dtype), limits)


def _require_one(count: int) -> None:
    if count != 1:
        raise ShapeError(f"image must be one photo; got {count}. Call it once for each.")
