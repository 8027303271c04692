"""Segmentation from saliency: the map says where the object surely is and is not, a graph cut finds its edge.

A saliency map is bright on the most telling parts of the object, not on all of it. Pixels of high saliency teach a
color model of the object, pixels of low saliency one of the background (mixtures of Gaussians), and a minimum cut gives
every other pixel to one of the two, at little cost where colors change:

    object:      M >= 95 % quantile of M            background:  M <= 30 % quantile of M
    labels = argmin  sum_p -log p(color_p | label_p)  +  sum_pq edge(p, q) [label_p != label_q]
    mask = largest connected component of the object's label

Source: Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034, section 3.2 (46.4 % top-5 localization error in ILSVRC-2013,
from image labels alone). The cut: Boykov, Jolly 2001; Rother, Kolmogorov, Blake 2004, "GrabCut".
"""

import importlib
from collections.abc import Callable, Sequence
from threading import Thread
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from striate.data.images import Images, read_photos
from striate.errors import ConfigError, ShapeError
from striate.insight.heatmap import Heatmap
from striate.insight.saliency import saliency
from striate.insight.segmentation import Segmentation
from striate.insight.target import Target
from striate.models import Network

__all__ = ["cut_out", "grabcut", "seeds_of"]

Size = Literal["view", "photo"]
BACKGROUND, OBJECT, OPEN = 0, 1, 2


def grabcut(
    network: Network | nn.Module,
    images: Images,
    *,
    target: Target = None,
    heatmap: Heatmap | NDArray[np.floating[Any]] | None = None,
    photos: NDArray[np.uint8] | Sequence[NDArray[np.uint8]] | None = None,
    foreground: float = 0.95,
    background: float = 0.30,
    blur: float = 0.02,
    iterations: int = 5,
    size: Size = "view",
    seed: int = 0,
) -> Segmentation:
    """The object of a class, cut out of the photo, from nothing but the class score's gradient.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in; give `photos`, too).
        images: One photo, several, or a tensor `n c h w`.
        target: What is looked for, as for `saliency`; each image's best answer by default.
        heatmap: Another map to take the seeds from, such as Grad-CAM's or occlusion's for the same images: a `Heatmap`
            or an array `n h w`, larger for the object. The network is then not asked.
        photos: For a plain module, what the eye sees: uint8 `n h w 3` (or a list of `h w 3`), of the tensor's size.
        foreground: Pixels at or above this quantile of the map are given as object.
        background: Pixels at or below this quantile are given as background.
        blur: Deviation of the Gaussian that the map goes through first, as a share of the shorter side; 0 leaves it as
            it is.
        iterations: 1 is the paper's single cut; every further one learns the colors again from the last mask, as
            GrabCut does.
        size: `view` cuts at the size that the network saw; `photo` in the original pixels of the part that it saw, with
            the map interpolated (bilinear), which follows edges better and takes longer.
        seed: For the first clusters of the color models.

    Returns:
        Masks, seeds and boxes; `photo_mask` maps them onto the original photo.

    Raises:
        ConfigError: Quantiles out of order, no iterations, a flat map, `target` and `heatmap` together, or OpenCV is
            not installed.
        ShapeError: A map or photos that do not fit the images.

    Source:
        Simonyan et al. 2013, arXiv:1312.6034, section 3.2.

    Differs:
        The map is blurred, since the gradient of one picture is speckled, and seeds of single pixels spread over object
        and background alike (the paper averages the maps of ten crops); `blur=0` is the paper. The colors are learned
        again four times; `iterations=1` is the paper. A map with ties at a quantile, such as
        Grad-CAM's zeros, gives all of them to the seed. Five Gaussians a model, in RGB, as OpenCV has it.
    """
    began = perf_counter()
    _check(foreground, background, blur, iterations, size)
    if heatmap is not None and target is not None:
        raise ConfigError("give target or heatmap, not both: a map already belongs to its target.")
    engine = _opencv()
    pictures, originals, crops, photo_sizes, images = _pictures(network, images, photos)
    found = saliency(network, images, target=target) if heatmap is None else heatmap
    maps = found.values if isinstance(found, Heatmap) else np.asarray(found, dtype=np.float64)
    if maps.ndim != 3 or len(maps) != len(pictures):
        raise ShapeError(f"heatmap must be one map for each of the {len(pictures)} images, 'n h w'; got {maps.shape}.")
    if blur:
        deviation = blur * min(maps.shape[1:])
        maps = ndimage.gaussian_filter(maps.astype(np.float64), (0, deviation, deviation), mode="nearest")
    if size == "photo":
        parts = [_part(*one) for one in zip(originals, crops, maps, strict=True)]
        pictures, crops = [part[0] for part in parts], [part[1] for part in parts]
        fitted = [part[2] for part in parts]
    else:
        fitted = [np.asarray(values, dtype=np.float64) for values in maps]
        for picture, values in zip(pictures, fitted, strict=True):
            if values.shape != picture.shape[:2]:
                raise ShapeError(
                    f"the map must have the size that the network saw, {picture.shape[:2]}; got {values.shape}."
                )
    seeds = [seeds_of(values, foreground=foreground, background=background) for values in fitted]
    masks = [
        cut_out(picture, given, iterations=iterations, seed=seed, engine=engine)
        for picture, given in zip(pictures, seeds, strict=True)
    ]
    return Segmentation(
        masks=tuple(masks),
        seeds=tuple(seeds),
        pictures=tuple(pictures),
        target=tuple(found.target) if isinstance(found, Heatmap) else (None,) * len(masks),
        crops=tuple(crops),
        photo_sizes=tuple(photo_sizes),
        parameters={
            "map": found.method if isinstance(found, Heatmap) else "array",
            "foreground": foreground,
            "background": background,
            "blur": blur,
            "iterations": iterations,
            "size": size,
            "seed": seed,
            "engine": f"OpenCV {engine.__version__}",
        },
        seconds=perf_counter() - began,
    )


def seeds_of(
    values: NDArray[np.floating[Any]], *, foreground: float = 0.95, background: float = 0.30
) -> NDArray[np.uint8]:
    """What a map `h w` says for sure: 1 (object) from the upper quantile on, 0 (background) up to the lower, 2 between.

    Raises:
        ConfigError: The two quantiles are one value (a flat map says nothing), or a value is not finite.

    >>> seeds_of(np.arange(10.0).reshape(2, 5), foreground=0.8, background=0.3).tolist()
    [[0, 0, 0, 2, 2], [2, 2, 2, 1, 1]]
    """
    if not np.isfinite(values).all():
        raise ConfigError("the map must have finite values to take seeds from; it has NaN or infinity.")
    low, high = np.quantile(values, [background, foreground])
    if not low < high:
        raise ConfigError(
            f"the map is flat: its quantiles {background:g} and {foreground:g} are both {low:g}, so it does not tell "
            "object and background apart. Take another target, another map or other quantiles."
        )
    seeds = np.full(values.shape, OPEN, np.uint8)
    seeds[values <= low] = BACKGROUND
    seeds[values >= high] = OBJECT
    return seeds


def cut_out(
    picture: NDArray[np.uint8], seeds: NDArray[np.uint8], *, iterations: int = 5, seed: int = 0, engine: Any = None
) -> NDArray[np.bool_]:
    """The largest connected region that the cut gives to the object, from seeds as `seeds_of` makes them.

    The first color models come from the seeds alone: OpenCV would also learn from the pixels that are left open.

    Args:
        picture: uint8 `h w 3`, RGB.
        seeds: uint8 `h w`: 0 background, 1 object, 2 open; at least one of both.
        iterations: Cuts; before each but the first, the colors are learned again.
        seed: For the first clusters of the color models.
        engine: OpenCV's module, where it is already imported.

    Returns:
        bool `h w`.
    """
    cv2 = engine or _opencv()
    bgr = np.ascontiguousarray(picture[..., ::-1])
    given = np.array([cv2.GC_BGD, cv2.GC_FGD, cv2.GC_PR_BGD], np.uint8)[seeds]
    models = np.zeros((1, 65)), np.zeros((1, 65))  # five Gaussians: a weight, a mean and a covariance each

    def work() -> None:
        # OpenCV's random numbers belong to the thread: those of the caller stay as they are.
        cv2.setRNGSeed(seed)
        sure = seeds != OPEN
        strip, labels = np.ascontiguousarray(bgr[sure][None]), np.ascontiguousarray(given[sure][None])
        cv2.grabCut(strip, labels, None, *models, 1, cv2.GC_INIT_WITH_MASK)
        cv2.grabCut(bgr, given, None, *models, 1, cv2.GC_EVAL_FREEZE_MODEL)
        if iterations > 1:
            cv2.grabCut(bgr, given, None, *models, iterations - 1, cv2.GC_EVAL)

    _in_a_thread(work)
    regions, count = ndimage.label((given == cv2.GC_FGD) | (given == cv2.GC_PR_FGD), structure=np.ones((3, 3)))
    sizes = np.bincount(regions.ravel(), minlength=count + 1)
    sizes[0] = 0
    largest: NDArray[np.bool_] = regions == int(sizes.argmax())
    return largest


def _in_a_thread(work: Callable[[], None]) -> None:
    failure: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised again, where the caller is
            failure.append(error)

    thread = Thread(target=guarded)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def _opencv() -> Any:
    try:
        return importlib.import_module("cv2")
    except ImportError:
        raise ConfigError(
            "grabcut needs OpenCV for its graph cut, which is not installed: pip install 'striate[proposals]'."
        ) from None


def _check(foreground: float, background: float, blur: float, iterations: int, size: str) -> None:
    if not 0 <= background < foreground <= 1:
        raise ConfigError(
            f"foreground and background must be quantiles with 0 <= background < foreground <= 1; got foreground "
            f"{foreground} and background {background}."
        )
    if not 0 <= blur <= 1:
        raise ConfigError(f"blur must be a share of the shorter side from 0 to 1; got {blur}.")
    if iterations < 1:
        raise ConfigError(f"iterations must be at least 1; got {iterations}.")
    if size not in ("view", "photo"):
        raise ConfigError(f"size must be 'view' or 'photo'; got {size!r}.")


Crop = tuple[float, float, float, float]
Pixels = list[NDArray[np.uint8]]


def _pictures(
    network: Network | nn.Module, images: Images, photos: NDArray[np.uint8] | Sequence[NDArray[np.uint8]] | None
) -> tuple[Pixels, Pixels, list[Crop], list[tuple[int, int]], Images]:
    """What the network saw as pixels, the photos, where the first lie in the second, the photos' sizes, the images."""
    if isinstance(network, Network) and not isinstance(images, Tensor):
        originals = read_photos(images)
        views = [network.preprocessing.view(photo) for photo in originals]
        sizes = [view.photo_size for view in views]
        return [view.pixels for view in views], originals, [view.crop for view in views], sizes, originals
    if isinstance(network, Network):
        with torch.inference_mode():
            colors = network.preprocessing.denormalize(network.preprocess(images)).clamp(0, 1)
        seen = list(colors.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    else:
        if photos is None:
            raise ConfigError(
                "photos must be given for a plain module (uint8 'n h w 3'): a cut needs the colors that the eye sees."
            )
        seen = read_photos(photos if isinstance(photos, np.ndarray) else list(photos))
        if not isinstance(images, Tensor) or images.dim() != 4 or len(seen) != len(images):
            raise ShapeError(f"photos must be one for each image of a tensor 'n c h w'; got {len(seen)}.")
    sizes = [(picture.shape[0], picture.shape[1]) for picture in seen]
    return seen, seen, [(0.0, 0.0, float(w), float(h)) for h, w in sizes], sizes, images


def _part(
    photo: NDArray[np.uint8], crop: Crop, values: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.uint8], Crop, NDArray[np.float64]]:
    """The part of the photo that the network saw, its whole-pixel place, and the map at each of its pixels."""
    height, width = photo.shape[:2]
    x0, y0, x1, y1 = crop
    left, top = max(0, int(np.floor(x0 + 0.5))), max(0, int(np.floor(y0 + 0.5)))
    right, bottom = min(width, int(np.floor(x1 + 0.5))), min(height, int(np.floor(y1 + 0.5)))
    rows = (np.arange(top, bottom) + 0.5 - y0) * values.shape[0] / (y1 - y0) - 0.5
    columns = (np.arange(left, right) + 0.5 - x0) * values.shape[1] / (x1 - x0) - 0.5
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    larger = ndimage.map_coordinates(np.asarray(values, np.float64), places, order=1, mode="nearest")
    part = np.ascontiguousarray(photo[top:bottom, left:right])
    return part, (float(left), float(top), float(right), float(bottom)), larger
