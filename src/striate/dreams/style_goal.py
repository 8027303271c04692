"""What a style transfer aims at, at any size: photo, paintings, layers, weights and masks, made into one loss."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.dreams.gram import Moments, moments
from striate.dreams.style_colors import luminance
from striate.dreams.style_layers import StyleLayers, find_layers, first_convolutions
from striate.dreams.style_loss import StyleLoss, walk
from striate.dreams.style_network import Pooling, StyleNetwork, StylePrecision, layer_table
from striate.dreams.style_pictures import check_weights, resize, sized
from striate.dreams.style_terms import (
    ContentTerm,
    Convention,
    HistogramTerm,
    MomentTerm,
    StyleKind,
    Term,
    Window,
    check_convention,
    quantiles,
)
from striate.dreams.subject import Subject
from striate.dreams.tiling import Tiling, plan_tiles
from striate.errors import ConfigError

__all__ = ["StyleGoal"]


class StyleGoal:
    """Everything of the loss that does not depend on the size; arguments as `StyleTransfer` documents them."""

    def __init__(
        self,
        subject: Subject,
        photo: Float[Tensor, "1 c h w"],
        paintings: Sequence[Tensor],
        *,
        masks: Sequence[Tensor] | None,
        layers: Literal["gatys", "first"],
        content_layers: Sequence[str] | None,
        style_layers: Sequence[str] | None,
        content_weight: float,
        style_weight: float,
        style_weights: Sequence[float] | None,
        layer_weights: Sequence[float] | None,
        layer_ratio: float,
        tv_weight: float,
        kind: StyleKind,
        convention: Convention,
        style_scale: float,
        pooling: Pooling,
        precision: StylePrecision,
        tile: int | None,
    ) -> None:
        check_convention(convention)
        if kind not in ("gram", "wasserstein", "histogram"):
            raise ConfigError(f"loss must be 'gram', 'wasserstein' or 'histogram'; got {kind!r}.")
        for name, value in (
            ("content_weight", content_weight),
            ("style_weight", style_weight),
            ("tv_weight", tv_weight),
        ):
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{name} must be a number of 0 or more; got {value}.")
        if not (math.isfinite(style_scale) and 0.05 <= style_scale <= 8):
            raise ConfigError(f"style_scale must be from 0.05 to 8; got {style_scale}.")
        if not paintings:
            raise ConfigError("styles must be at least one picture; got none.")
        kept = subject.picture_dtype
        self.subject, self.table = subject, layer_table(subject)
        self.photo = photo.to(device=subject.device, dtype=kept)
        self.paintings = [one.to(self.photo) for one in paintings]
        self.masks = None if masks is None else _read_masks(masks, len(self.paintings), self.photo)
        self.names = self._layers(layers, content_layers, style_layers)
        self.weights = check_weights(style_weights, len(self.paintings))
        self.shares = _shares(layer_weights, len(self.names.style), layer_ratio)
        self.content_weight, self.style_weight, self.tv_weight = content_weight, style_weight, tv_weight
        self.kind, self.convention, self.style_scale = kind, convention, style_scale
        self.pooling, self.precision, self.tile = pooling, precision, tile
        if not content_weight and not style_weight:
            raise ConfigError("content_weight and style_weight are both 0: there is nothing to paint.")
        self._network: StyleNetwork | None = None

    def loss_at(self, size: tuple[int, int], *, exact: bool = False) -> StyleLoss:
        """The loss at a size `(h, w)`; `exact` with a network in float32."""
        with torch.inference_mode(False), torch.no_grad():
            network = self._exact() if exact else self._fast()
            tiling = None if self.tile is None else plan_tiles(size, self.tile, self.table, network.layers)
            photo = resize(self.photo, size)
            terms = [*self._content_terms(network, photo, tiling), *self._style_terms(network, photo, tiling)]
            return StyleLoss(network, terms, tv_weight=self.tv_weight, tiling=tiling)

    def describe(self, loss: StyleLoss, image: Float[Tensor, "1 c h w"]) -> dict[str, float]:
        """Total, content, style and every term of a picture."""
        parts = loss.parts(image)
        found = {"total": 0.0, "content": 0.0, "style": 0.0}
        for term, value in zip(loss.terms, parts, strict=True):
            part = "content" if isinstance(term, ContentTerm) else "style"
            found[part] += term.weight * value
            name = f"{part} {term.layer}"
            found[name] = found.get(name, 0.0) + term.weight * value
        with torch.no_grad():
            found["total"] = found["content"] + found["style"] + float(loss.variation(image))
        return found

    def settings(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "content_layers": list(self.names.content),
            "style_layers": list(self.names.style),
            "content_weight": self.content_weight,
            "style_weight": self.style_weight,
            "style_weights": list(self.weights),
            "layer_weights": list(self.shares),
            "tv_weight": self.tv_weight,
            "loss": self.kind,
            "convention": self.convention,
            "style_scale": self.style_scale,
            "pooling": self.pooling,
            "precision": str(self._fast().dtype).removeprefix("torch."),
            "masks": self.masks is not None,
            "tile": self.tile,
        }

    def _layers(self, rule: str, content: Sequence[str] | None, style: Sequence[str] | None) -> StyleLayers:
        if content is not None and style is not None and (content or style):
            return StyleLayers(tuple(content), tuple(style))
        found = first_convolutions(self.table) if rule == "first" else find_layers(self.table)
        return StyleLayers(
            found.content if content is None else tuple(content), found.style if style is None else tuple(style)
        )

    def _fast(self) -> StyleNetwork:
        if self._network is None:
            self._network = StyleNetwork(self.subject, self._needed(), precision=self.precision, pooling=self.pooling)
        return self._network

    def _exact(self) -> StyleNetwork:
        fast = self._fast()
        if fast.dtype != torch.bfloat16:
            return fast
        return StyleNetwork(self.subject, self._needed(), precision="float32", pooling=self.pooling)

    def _needed(self) -> list[str]:
        layers = [
            *(self.names.content if self.content_weight else ()),
            *(self.names.style if self.style_weight else ()),
        ]
        return list(dict.fromkeys(layers))

    def _content_terms(self, network: StyleNetwork, photo: Tensor, tiling: Tiling | None) -> list[Term]:
        """One for each content layer."""
        if not self.content_weight:
            return []
        maps: dict[str, Tensor] = {}

        def keep(layer: str, part: Tensor, window: Window) -> None:
            if tiling is None:
                maps[layer] = part.clone()
                return
            rows, columns = window
            if layer not in maps:  # as large as the last tile says; tiles come row by row
                stride = tiling.fields[layer].stride
                extent = [-(-side // int(step)) + 1 for side, step in zip(photo.shape[2:], stride, strict=True)]
                maps[layer] = part.new_zeros(1, part.shape[1], *extent)
            maps[layer][:, :, rows, columns] = part
            if rows.stop is not None and columns.stop is not None:
                ends[layer] = (rows.stop, columns.stop)

        ends: dict[str, tuple[int, int]] = {}
        walk(network, photo, self.names.content, tiling, keep)
        weight = self.content_weight / len(self.names.content)
        terms: list[Term] = []
        for layer in self.names.content:
            target = maps[layer]
            if layer in ends:
                target = target[:, :, : ends[layer][0], : ends[layer][1]]
            _check_answer(float(target.abs().amax()), layer, "the content")
            terms.append(ContentTerm(layer, weight, target, self.convention))
        return terms

    def _style_terms(self, network: StyleNetwork, photo: Tensor, tiling: Tiling | None) -> list[Term]:
        """One for each style layer; with masks, one for each painting and layer."""
        if not self.style_weight:
            return []
        longer = max(photo.shape[2:])
        found = [self._statistics(network, one, longer, number) for number, one in enumerate(self.paintings)]
        guides = self._guides(network, photo, tiling)
        terms: list[Term] = []
        for layer, share in zip(self.names.style, self.shares, strict=True):
            weight = self.style_weight * share
            if guides is None:
                parts = [one[layer] * w for one, w in zip(found, self.weights, strict=True)]
                terms.append(self._term(layer, weight, sum(parts[1:], parts[0]), None))
                continue
            for one, w, guide in zip(found, self.weights, guides, strict=True):
                if w:
                    terms.append(self._term(layer, weight * w, one[layer], guide[layer]))
        return terms

    def _term(self, layer: str, weight: float, target: Moments | Tensor, guide: Tensor | None) -> Term:
        if isinstance(target, Moments):
            kind: Literal["gram", "wasserstein"] = "wasserstein" if self.kind == "wasserstein" else "gram"
            return MomentTerm(layer, weight, target, kind, self.convention, guide)
        return HistogramTerm(layer, weight, target, self.convention, guide)

    def _statistics(
        self, network: StyleNetwork, painting: Tensor, longer: int, number: int
    ) -> dict[str, Moments] | dict[str, Tensor]:
        """Those of one painting at every style layer, divided by its number of places."""
        size = sized((painting.shape[2], painting.shape[3]), max(round(longer * self.style_scale), 32))
        picture = resize(painting, size)
        if self.kind == "histogram":
            ranks: dict[str, Tensor] = {}
            walk(
                network, picture, self.names.style, None, lambda layer, maps, _: ranks.update({layer: quantiles(maps)})
            )
            return ranks
        sums: dict[str, Moments] = {}

        def add(layer: str, maps: Tensor, window: Window) -> None:
            part = moments(maps)
            sums[layer] = sums[layer] + part if layer in sums else part

        tiling = None if self.tile is None else plan_tiles(size, self.tile, self.table, self.names.style)
        walk(network, picture, self.names.style, tiling, add)
        for layer, one in sums.items():
            _check_answer(float(one.squares.trace()), layer, f"style picture {number + 1}")
        return {layer: one * (1 / one.count) for layer, one in sums.items()}

    def _guides(self, network: StyleNetwork, photo: Tensor, tiling: Tiling | None) -> list[dict[str, Tensor]] | None:
        """Every mask at the size of every style layer: the mean over what each place stands for."""
        if self.masks is None:
            return None
        extents: dict[str, tuple[int, int]] = {}

        def note(layer: str, maps: Tensor, window: Window) -> None:
            ends = [axis.stop for axis in window]
            extents[layer] = (maps.shape[2], maps.shape[3]) if ends[0] is None else (ends[0], ends[1])

        walk(network, photo, self.names.style, tiling, note)
        guides = []
        for number, mask in enumerate(self.masks):
            at_size = resize(mask, (photo.shape[2], photo.shape[3]))
            guide = {layer: F.adaptive_avg_pool2d(at_size, extent)[0, 0] for layer, extent in extents.items()}
            least = 0.5 if self.kind == "histogram" else 1e-3
            for layer, values in guide.items():
                if float(values.amax()) < least:
                    raise ConfigError(
                        f"mask {number + 1} is black, or so small that nothing of it is left at layer '{layer}'. White "
                        "says where the style goes."
                    )
            guides.append(guide)
        return guides


def _check_answer(size: float, layer: str, what: str) -> None:
    if not math.isfinite(size):
        raise ConfigError(f"layer '{layer}' answers numbers that are not finite (NaN or infinity) to {what}.")
    if size <= 0:
        raise ConfigError(f"layer '{layer}' answers only zeros to {what}: there is nothing to paint after.")


def _read_masks(masks: Sequence[Tensor], count: int, like: Tensor) -> list[Tensor]:
    """Lightness of each, `1 1 h w`."""
    if len(masks) != count:
        raise ConfigError(f"masks must be one for each of {count} style pictures; got {len(masks)}.")
    return [luminance(mask.to(like)) for mask in masks]


def _shares(weights: Sequence[float] | None, count: int, ratio: float) -> tuple[float, ...]:
    """Shares of the layers that add up to 1."""
    if weights is None:
        weights = [ratio**-k for k in range(count)]
    found = tuple(float(weight) for weight in weights)
    if len(found) != count or not all(math.isfinite(w) and w >= 0 for w in found) or sum(found) <= 0:
        raise ConfigError(
            f"layer_weights must be one number of 0 or more for each of {count} style layers, not all 0; got {found}."
        )
    return tuple(weight / sum(found) for weight in found)
