"""Neural style: a picture that has the content of a photo and the texture of a painting.

    x* = argmin  α Σ_l content_l(x, photo)  +  β Σ_l style_l(x, painting)  +  γ TV(x)

Both are read off a network that was trained to recognize things: content is what a deep layer answers place by place,
style is what goes with what in shallow and deep layers, wherever it is (their Gram matrices). Nothing is trained; the
picture itself is the unknown. It is found from coarse to fine: large shapes on a small copy, then what is finer.

Source: Gatys, Ecker, Bethge 2016, "Image style transfer using convolutional neural networks", CVPR; coarse to fine:
Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", CVPR, section 6.
Differs: `preset="gatys"` is the paper's setting; what others do is named in `style_presets`.
"""

from collections.abc import Sequence
from typing import Any, Literal

from torch import nn

from striate.data.images import Images
from striate.dreams.style_network import Pooling, StylePrecision
from striate.dreams.style_result import StyledPicture
from striate.dreams.style_run import KeepColors, StyleTransfer
from striate.dreams.style_terms import Convention, StyleKind
from striate.models import Network

__all__ = ["style_transfer"]


def style_transfer(
    network: Network | nn.Module,
    content: Images,
    styles: Images | Sequence[Any],
    *,
    preset: str = "striate",
    content_layers: Sequence[str] | None = None,
    style_layers: Sequence[str] | None = None,
    content_weight: float | None = None,
    style_weight: float | None = None,
    style_weights: Sequence[float] | None = None,
    layer_weights: Sequence[float] | None = None,
    tv_weight: float | None = None,
    loss: StyleKind = "gram",
    convention: Convention | None = None,
    size: int | None = None,
    style_scale: float = 1.0,
    scales: int | None = None,
    scale_factor: float | None = None,
    steps: int | Sequence[int] | None = None,
    optimizer: Literal["lbfgs", "adam"] | None = None,
    learning_rate: float | None = None,
    pooling: Pooling | None = None,
    keep_colors: KeepColors | None = None,
    masks: Images | Sequence[Any] | None = None,
    start: Literal["content", "noise"] | Images | None = None,
    tile: int | None = None,
    precision: StylePrecision = "auto",
    seed: int = 0,
) -> StyledPicture:
    """Paint a photo in the style of one or several paintings.

    `StyleTransfer` takes the same arguments, documents each of them, and can be watched and stopped: its `run()` is a
    generator of steps.

    Args:
        network: A `Network`, or any module that takes pictures in [0, 1].
        content: The photo: a path, bytes, uint8 `h w 3`, or an RGB tensor `1 3 h w` in [0, 1].
        styles: One or several paintings, likewise.
        preset: Where settings that are None come from: `striate`, `gatys`, `jcjohnson`, `tutorial` or `crowsonkb`.
        content_layers: Layers compared place by place; by rule when None.
        style_layers: Layers compared by their statistics.
        content_weight: α.
        style_weight: β.
        style_weights: Share of each painting.
        layer_weights: Share of each style layer.
        tv_weight: γ.
        loss: `gram`, `wasserstein` or `histogram`.
        convention: How distances are scaled: `relative`, `gatys`, `jcjohnson` or `crowsonkb`.
        size: Longer side of the result in pixels.
        style_scale: Longer side of the paintings, as a share of the result's.
        scales: Sizes from coarse to fine, at most.
        scale_factor: From one size to the next.
        steps: At each size; or one number for each.
        optimizer: `lbfgs` or `adam`.
        learning_rate: Of Adam.
        pooling: `max` or `average`.
        keep_colors: `luminance`, `match`, or None for the painting's colors.
        masks: For each painting, where it goes.
        start: `content`, `noise`, or a picture.
        tile: Side of tiles in pixels, for large sizes.
        precision: `auto`, `float32` or `bfloat16`.
        seed: Of the noise.

    Returns:
        The picture with its losses, curve and settings.

    Raises:
        UnknownNameError: No such layer or preset; the message names the nearest.
        ConfigError: A setting outside its rule.
        ShapeError: A picture that the network refuses.
        DataError: A picture that cannot be read.

    Source: Gatys et al. 2016; see the module.

    >>> import torch
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU())
    >>> photo, painting = torch.rand(1, 3, 48, 64), torch.rand(1, 3, 40, 40)
    >>> style_transfer(network, photo, painting, steps=3).pixels.shape
    (48, 64, 3)
    """
    transfer = StyleTransfer(
        network,
        content,
        styles,
        preset=preset,
        content_layers=content_layers,
        style_layers=style_layers,
        content_weight=content_weight,
        style_weight=style_weight,
        style_weights=style_weights,
        layer_weights=layer_weights,
        tv_weight=tv_weight,
        loss=loss,
        convention=convention,
        size=size,
        style_scale=style_scale,
        scales=scales,
        scale_factor=scale_factor,
        steps=steps,
        optimizer=optimizer,
        learning_rate=learning_rate,
        pooling=pooling,
        keep_colors=keep_colors,
        masks=masks,
        start=start,
        tile=tile,
        precision=precision,
        seed=seed,
    )
    for _ in transfer.run():
        pass
    return transfer.result()
