"""Nearest neighbors: which pictures are alike to the network.

Exact search over every pair: candidates by a matrix product, the distances of the nearest computed again as the formula
says, so that duplicates have a distance of 0 and ties go to the picture that comes first.

    euclidean: |a − b|        cosine: 1 − a·b / (|a| |b|)
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.draw.patch_rows import Patch, PatchRow, draw_patch_rows
from striate.errors import ConfigError, DataError, ShapeError
from striate.insight.representation_set import Representations
from striate.insight.store import json_bytes, pack_arrays, save_as, saved

__all__ = ["Metric", "Neighbors", "as_metric", "nearest_neighbors", "search"]

Metric = Literal["cosine", "euclidean"]

_PAIRS = 4_000_000  # distances at once, 32 MB


@dataclass(frozen=True, eq=False)
class Neighbors:
    """For each of `q` queries the `k` nearest pictures, the nearest first.

    Attributes:
        indices: `q k`, rows of the pictures that were searched.
        distances: `q k`.
        metric: `cosine` (0 the same direction, 1 a right angle, 2 the opposite) or `euclidean`.
        query_names: `q`.
        names: `n`, of the pictures that were searched.
        query_thumbnails: uint8 `q t t 3`.
        thumbnails: uint8 `n t t 3`.
        among_themselves: Whether the queries are the pictures that were searched; none is its own neighbor then.
        parameters: Network and layer.
    """

    indices: NDArray[np.int64]
    distances: NDArray[np.float64]
    metric: Metric
    query_names: tuple[str, ...]
    names: tuple[str, ...]
    query_thumbnails: NDArray[np.uint8]
    thumbnails: NDArray[np.uint8]
    among_themselves: bool
    parameters: dict[str, Any] = field(default_factory=dict)

    def duplicates(self, tolerance: float = 1e-3) -> list[tuple[int, int, float]]:
        """Pairs (query, picture, distance) that are no further apart than `tolerance`, the nearest first.

        Among pictures themselves each pair is listed once. Only the `k` nearest of each are known: of more than `k`
        copies of one picture some pairs are missing, but no copy is.
        """
        found = {
            (min(q, j), max(q, j)) if self.among_themselves else (q, j): float(d)
            for q, (row, far) in enumerate(zip(self.indices.tolist(), self.distances.tolist(), strict=True))
            for j, d in zip(row, far, strict=True)
            if d <= tolerance
        }
        return sorted(((q, j, d) for (q, j), d in found.items()), key=lambda each: (each[2], each[0], each[1]))

    def draw(self, rows: list[int] | None = None, *, tile: int = 72, theme: str = "light") -> NDArray[np.uint8]:
        """Each query and its neighbors as a row of thumbnails with their distances.

        Args:
            rows: Which queries; the first twelve by default.
            tile: Side of a thumbnail, in pixels.
            theme: `light` or `dark`.

        Returns:
            uint8 `H W 3`.
        """
        shown = list(range(min(len(self.indices), 12))) if rows is None else rows
        where = " ".join(filter(None, [str(self.parameters.get("network", "")), str(self.parameters.get("layer", ""))]))
        return draw_patch_rows(
            [self._row(q) for q in shown],
            title="Nearest neighbors",
            notes=[f"{where + ', ' if where else ''}{self.metric} distance below each picture, the nearest first"],
            tile=tile,
            theme=theme,
        )

    def _row(self, q: int) -> PatchRow:
        def picture(thumbnail: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return np.ascontiguousarray(thumbnail)

        return PatchRow(
            title=self.query_names[q].rpartition("/")[2],
            notes=[self.query_names[q].rpartition("/")[0]],
            leads=[picture(self.query_thumbnails[q])],
            patches=[
                Patch(picture(self.thumbnails[j]), words=f"{d:.3f}")
                for j, d in zip(self.indices[q].tolist(), self.distances[q].tolist(), strict=True)
            ],
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: each query with its neighbors."""
        return {
            "metric": self.metric,
            **self.parameters,
            "queries": [
                {
                    "name": self.query_names[q],
                    "neighbors": [
                        {"name": self.names[j], "distance": d}
                        for j, d in zip(self.indices[q].tolist(), self.distances[q].tolist(), strict=True)
                    ],
                }
                for q in range(len(self.indices))
            ],
        }

    def save(self, path: str | Path) -> Path:
        """Write them: `.npz` keeps everything (`load` reads it), `.json` the lists, `.png` draws the first rows.

        Raises:
            ConfigError: Another ending.
        """
        settings = {
            "kind": "neighbors",
            "metric": self.metric,
            "query_names": list(self.query_names),
            "names": list(self.names),
            "among_themselves": self.among_themselves,
            "parameters": self.parameters,
        }
        arrays = {n: getattr(self, n) for n in ("indices", "distances", "query_thumbnails", "thumbnails")}
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(settings, arrays),
                ".json": lambda: json_bytes(self.to_dict(), indent=1),
                ".png": lambda: draw.encode_png(self.draw()),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "Neighbors":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "Neighbors") as (settings, arrays):
            if settings.pop("kind", None) != "neighbors":
                raise DataError(f"{path} holds another kind of result, not neighbors.")
            plain: dict[str, Any] = {**settings, **arrays}
            for name in ("query_names", "names"):
                plain[name] = tuple(plain[name])
            return cls(**plain)

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw())


def nearest_neighbors(
    pictures: Representations,
    queries: Representations | None = None,
    *,
    k: int = 5,
    metric: Metric = "cosine",
) -> Neighbors:
    """For each query the `k` pictures whose representations are nearest to its own.

    Args:
        pictures: Those that are searched, `n`.
        queries: Of the same network and layer; by default `pictures` themselves, each among the others.
        k: How many; at most as many as there are.
        metric: `cosine` does not see the length of a representation, `euclidean` does. A representation of nothing but
            zeros has no direction; its cosine distance to everything is 1.

    Raises:
        ConfigError: `k` below 1, an unknown metric, or queries of another network or layer.

    >>> found = nearest_neighbors(Representations.of([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), k=2)
    >>> found.indices.tolist(), found.distances.tolist()
    ([[1, 2], [0, 2], [0, 1]], [[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    """
    if queries is not None:
        pictures.require_same(queries)
    asked = pictures if queries is None else queries
    indices, distances = search(pictures.values, None if queries is None else queries.values, k=k, metric=metric)
    return Neighbors(
        indices,
        distances,
        metric,
        asked.names,
        pictures.names,
        asked.thumbnails,
        pictures.thumbnails,
        queries is None,
        {"network": pictures.network, "layer": pictures.layer},
    )


def search(
    values: NDArray[np.floating[Any]],
    queries: NDArray[np.floating[Any]] | None = None,
    *,
    k: int,
    metric: Metric = "euclidean",
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows of `values` (`n d`) nearest to each query (`q d`, or None: each row among the others), and their distances.

    Raises:
        ConfigError: `k` below 1, or an unknown metric.
        ShapeError: The vectors have different lengths.
    """
    if k < 1:
        raise ConfigError(f"k must be at least 1; got {k}.")
    points = as_metric(values, metric)
    asked = points if queries is None else as_metric(queries, metric)
    if asked.shape[1] != points.shape[1]:
        raise ShapeError(f"queries have {asked.shape[1]} numbers each, the pictures {points.shape[1]}.")
    alone = queries is None
    count = min(k, len(points) - alone)
    indices = np.zeros((len(asked), count), np.int64)
    distances = np.zeros((len(asked), count))
    if not count:
        return indices, distances
    for rows, squares in squared_distances(points, asked):
        if alone:
            squares[np.arange(len(squares)), np.arange(rows.start, rows.stop)] = np.inf
        near = _candidates(squares, min(count + 4, len(points) - alone))
        exact = ((points[near] - asked[rows, None]) ** 2).sum(-1)  # q c d -> q c
        if metric == "cosine":
            exact = exact / 2  # unit vectors: |a − b|² = 2 − 2 a·b
            zero = (points[near] == 0).all(-1) | (asked[rows] == 0).all(-1)[:, None]
            exact[zero] = 1.0
        order = np.lexsort((near, exact), axis=1)[:, :count]
        indices[rows] = np.take_along_axis(near, order, 1)
        best = np.take_along_axis(exact, order, 1)
        distances[rows] = best if metric == "cosine" else np.sqrt(best)
    return indices, distances


def as_metric(values: NDArray[np.floating[Any]], metric: Metric) -> NDArray[np.float64]:
    """Vectors whose Euclidean order is that of the metric: float64, of length 1 for the cosine.

    Raises:
        ConfigError: An unknown metric.
    """
    if metric not in {"cosine", "euclidean"}:
        raise ConfigError(f"metric must be 'cosine' or 'euclidean'; got {metric!r}.")
    points = np.asarray(values, dtype=np.float64)
    if metric == "euclidean":
        return points
    scale = np.abs(points).max(1, keepdims=True)  # first, so that squares neither vanish nor overflow
    points = points / np.where(scale > 0, scale, 1)
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    return points / np.where(norms > 0, norms, 1)


def squared_distances(
    points: NDArray[np.float64], asked: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Squared distances of some rows of `asked` to all `points` at a time, up to rounding."""
    center = points.mean(0)
    near, far = points - center, asked - center
    norms = (near**2).sum(1)
    step = max(_PAIRS // max(len(points), 1), 1)
    for start in range(0, len(asked), step):
        rows = slice(start, min(start + step, len(asked)))
        part = far[rows]
        squares = norms + (part**2).sum(1)[:, None] - 2 * (part @ near.T)
        yield rows, np.maximum(squares, 0, out=squares)


def _candidates(squares: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The nearest `count` of each row, in any order; of equals at the edge those that come first."""
    if count >= squares.shape[1]:
        return np.argsort(squares, axis=1, kind="stable").astype(np.int64)
    found = np.argpartition(squares, count - 1, axis=1)[:, :count].astype(np.int64)
    edge = np.take_along_axis(squares, found, 1).max(1)
    slack = edge * (1 + 1e-9) + 1e-12
    for row in np.flatnonzero((squares <= slack[:, None]).sum(1) > count):
        inside = np.flatnonzero(squares[row] <= slack[row])
        surely = inside[squares[row, inside] < edge[row] * (1 - 1e-9) - 1e-12]
        equal = np.setdiff1d(inside, surely)
        found[row] = np.concatenate([surely, equal])[:count]
    return found
