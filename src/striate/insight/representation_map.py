"""The representation map: every picture at a place in the plane, near the pictures that the network takes for alike."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate import draw
from striate.draw.grid_places import grid_places
from striate.draw.picture_map import draw_picture_map
from striate.errors import ConfigError, DataError
from striate.insight.map_quality import MapQuality, map_quality
from striate.insight.neighbors import Metric, as_metric
from striate.insight.principal_components import PrincipalComponents, principal_components
from striate.insight.representation_set import Representations
from striate.insight.store import json_bytes, pack_arrays, save_as, saved
from striate.insight.tsne import FEWEST, Engine, check_perplexity, default_perplexity, pick_engine, run_tsne
from striate.insight.tsne_placement import normalizer, place_points

__all__ = ["RepresentationMap", "representation_map"]

Method = Literal["tsne", "pca"]


@dataclass(frozen=True, eq=False)
class RepresentationMap:
    """Places in the plane, and all that is needed to draw them and to put new pictures between them.

    Attributes:
        positions: `n 2`, float64, x to the right and y upwards. The scale of a t-SNE map means nothing; that of PCA is
            the representation's own.
        representations: Of the same `n` pictures.
        method: `tsne` or `pca`.
        components: The principal components: the two of a PCA map, or those that t-SNE worked on.
        quality: How far the map can be trusted; of the pictures it was made from.
        kl: What t-SNE left of the divergence, in nats; None for PCA.
        added: `n`, True for pictures that were put into the finished map.
        metric: What near means: `euclidean`, or `cosine` (vectors brought to length 1 first).
        notes: What a reader should know, such as a perplexity that had to be lowered.
        parameters: Perplexity, seed, engine and so on.
        seconds: Wall time of the map, without the representations.
    """

    positions: NDArray[np.float64]
    representations: Representations
    method: Method
    components: PrincipalComponents
    quality: MapQuality
    kl: float | None
    added: NDArray[np.bool_]
    metric: Metric = "euclidean"
    notes: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def values(self) -> NDArray[np.float64]:
        """The positions, by the name that all results have."""
        return self.positions

    def place(self, new: Representations) -> NDArray[np.float64]:
        """Places `m 2` of pictures that were not there when the map was made. Nothing in the map moves.

        In a PCA map the projection; in a t-SNE map the place that the map's own objective prefers
        (`insight.tsne_placement`).

        Raises:
            ConfigError: They are of another network, other weights or another layer.
        """
        self.representations.require_same(new)
        inner = self.components.transform(as_metric(new.values, self.metric))
        if self.method == "pca":
            return inner[:, :2]
        old = ~self.added
        mine = self.components.transform(as_metric(self.representations.values[old], self.metric))
        return place_points(
            mine,
            self.positions[old],
            inner,
            perplexity=float(self.parameters["perplexity"]),
            z=self.parameters.get("normalizer"),
        )

    def add(self, new: Representations) -> "RepresentationMap":
        """This map with new pictures in it, marked as `added`. The order in which pictures are added changes nothing.

        Raises:
            ConfigError: They are of another network, other weights or another layer.
        """
        positions = self.place(new)
        return replace(
            self,
            positions=np.concatenate([self.positions, positions]),
            representations=self.representations.joined(new),
            added=np.concatenate([self.added, np.ones(len(new), bool)]),
        )

    def grid(self) -> NDArray[np.int64]:
        """A cell `(row, column)` for every picture, `n 2`: no two in one, each near its place (`draw.grid_places`)."""
        return grid_places(self.positions)

    def draw(
        self,
        *,
        side: int = 1600,
        thumbnail: int | None = None,
        grid: bool = False,
        theme: str = "light",
        title: str | None = None,
    ) -> NDArray[np.uint8]:
        """The map as a picture: thumbnails at their places, class names at their classes.

        A thumbnail that would cover another one is left out, and a dot in the color of its class stays.

        Args:
            side: Width in pixels.
            thumbnail: Side of a thumbnail; by default what lets a good part of them be seen.
            grid: Every thumbnail in a cell of its own instead (linear assignment), so that none is hidden.
            theme: `light` or `dark`.
            title: Above all; what the map is, by default.

        Returns:
            uint8 `H W 3`.
        """
        shown = self.representations
        return draw_picture_map(
            self.positions,
            shown.thumbnails,
            labels=shown.labels,
            marked=self.added,
            cells=self.grid() if grid else None,
            side=side,
            thumbnail=thumbnail,
            theme=theme,
            title=self.title if title is None else title,
            notes=(self.sentence,),
        )

    @property
    def title(self) -> str:
        """The heading: how many pictures, seen by which network."""
        count = int((~self.added).sum())
        more = f" and {int(self.added.sum()):,} new" if self.added.any() else ""
        by = f", seen by {self.representations.network}" if self.representations.network else ""
        return f"{count:,} picture{'' if count == 1 else 's'}{more}{by}"

    @property
    def sentence(self) -> str:
        """How the map was made and how far to trust it, in one or two sentences."""
        layer = self.representations.layer
        what = f"the {layer}" + (", averaged over positions" if self.representations.averaged else "") if layer else ""
        first = f"of {what}" if what else ""
        if self.method == "pca":
            shares = self.components.explained[:2]
            made = f"PCA {first}: the axes explain {100 * shares[0]:.0f} and {100 * shares[1]:.0f} % of the variance."
        else:
            made = f"t-SNE {first}, perplexity {self.parameters['perplexity']:.3g}. Near means alike; far means little."
        found = self.quality
        if found.neighbors_kept is None:
            return made.replace(" :", ":").replace(" ,", ",")
        kept = f" {100 * found.neighbors_kept:.0f} % of the {found.k} nearest neighbors are neighbors here, too"
        trust = f" (trustworthiness {found.trustworthiness:.2f})."
        return (made + kept + trust).replace("  ", " ").replace(" :", ":").replace(" ,", ",")

    def settings(self) -> dict[str, Any]:
        """Everything but the arrays and the pictures, as plain JSON values."""
        return {
            "kind": "representation map",
            "method": self.method,
            "metric": self.metric,
            "kl": self.kl,
            "quality": self.quality.to_dict(),
            "total_variance": self.components.total_variance,
            "notes": list(self.notes),
            "parameters": self.parameters,
            "seconds": self.seconds,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the settings, and every picture with its place."""
        shown = self.representations
        return {
            **self.settings(),
            "network": shown.network,
            "layer": shown.layer,
            "averaged": shown.averaged,
            "source": shown.source,
            "explained_variance": self.components.explained[:2].tolist(),
            "problems": list(shown.problems),
            "pictures": [
                {
                    "name": shown.names[i],
                    "x": float(x),
                    "y": float(y),
                    **({"label": shown.labels[i]} if shown.labels else {}),
                    **({"answer": shown.answers[i]} if shown.answers else {}),
                    **({"added": True} if self.added[i] else {}),
                }
                for i, (x, y) in enumerate(self.positions.tolist())
            ],
        }

    def save(self, path: str | Path) -> Path:
        """Write the map: `.npz` keeps everything (for `load`), `.json` and `.csv` names and places, `.png` a picture.

        Raises:
            ConfigError: Another ending.
        """
        inner = self.representations
        arrays = {
            "positions": self.positions,
            "added": self.added,
            "mean": self.components.mean,
            "components": self.components.components,
            "variance": self.components.variance,
            **{f"representations.{name}": array for name, array in inner.arrays().items()},
        }
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays({**self.settings(), "representations": inner.settings()}, arrays),
                ".json": lambda: json_bytes(self.to_dict(), indent=1),
                ".csv": lambda: self._table().encode(),
                ".png": lambda: draw.encode_png(self.draw()),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "RepresentationMap":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "RepresentationMap") as (settings, arrays):
            if settings.pop("kind", None) != "representation map":
                raise DataError(f"{path} holds another kind of result, not a representation map.")
            inner = {n.partition(".")[2]: a for n, a in arrays.items() if n.startswith("representations.")}
            components = PrincipalComponents(
                arrays["mean"], arrays["components"], arrays["variance"], settings.pop("total_variance")
            )
            return cls(
                positions=arrays["positions"],
                representations=Representations.restore(settings.pop("representations"), inner),
                components=components,
                quality=MapQuality(**settings.pop("quality")),
                added=arrays["added"],
                notes=tuple(settings.pop("notes")),
                **settings,
            )

    def _table(self) -> str:
        import csv
        import io

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["name", "x", "y", "label", "answer", "added"])
        shown = self.representations
        for i, (x, y) in enumerate(self.positions.tolist()):
            label = shown.labels[i] if shown.labels else ""
            answer = shown.answers[i] if shown.answers else ""
            writer.writerow([shown.names[i], f"{x:.7g}", f"{y:.7g}", label, answer, int(self.added[i])])
        return text.getvalue()

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw(side=900))


def representation_map(
    representations: Representations | ArrayLike,
    *,
    method: Method = "tsne",
    perplexity: float | None = None,
    metric: Metric = "euclidean",
    dimensions: int = 50,
    seed: int = 0,
    engine: Engine = "auto",
    k: int = 10,
    progress: Any = None,
) -> RepresentationMap:
    """Lay pictures out in the plane, so that those that are alike to the network lie together.

    Args:
        representations: From `insight.representations`; or vectors `n d`, finite.
        method: `tsne`, or `pca`: two axes of which everything is known, but that show less.
        perplexity: Of t-SNE: about how many neighbors count; (n − 1) / 3 at most, 30 by default where that allows.
        metric: `euclidean`, or `cosine` to leave the length of the vectors out.
        dimensions: Principal components that t-SNE works on (fewer where there are fewer pictures or numbers).
        seed: The same seed gives the same map.
        engine: `auto`: scikit-learn, or from 4,000 pictures on openTSNE where it is installed.
        k: Neighbors that the quality is measured with.
        progress: Called with (done, in all) while openTSNE works.

    Returns:
        The map. Of fewer than five pictures it is a PCA map, and `notes` says so; copies of one picture lie at one
        place, up to rounding.

    Raises:
        ConfigError: An unknown method, metric or engine, a perplexity out of range, `dimensions` below 2, `k` below 1.
        ShapeError: Vectors that are not finite numbers `n d`.

    Source:
        van der Maaten, Hinton 2008; the map of CNN codes with thumbnails is that of Karpathy 2014, "t-SNE visualization
        of CNN codes".
    """
    began = time.perf_counter()
    shown = representations if isinstance(representations, Representations) else Representations.of(representations)
    if method not in {"tsne", "pca"}:
        raise ConfigError(f"method must be 'tsne' or 'pca'; got {method!r}.")
    if dimensions < 2:
        raise ConfigError(f"dimensions must be at least 2; got {dimensions}.")
    count = len(shown)
    if method == "pca" and perplexity is not None:
        raise ConfigError("perplexity belongs to t-SNE; leave it out with method='pca'.")
    points = as_metric(shown.values, metric)
    few = method == "tsne" and count < FEWEST
    if few and perplexity is not None:
        check_perplexity(perplexity, count)
    notes: list[str] = []
    kl = None
    parameters: dict[str, Any] = {"seed": seed, "k": k}
    if method == "pca" or few:
        components = principal_components(points, 2)
        positions = components.transform(points)
        if few:
            notes.append(f"{count} picture{'' if count == 1 else 's'}: t-SNE needs at least {FEWEST}; this is PCA.")
    else:
        wanted = default_perplexity(count) if perplexity is None else float(perplexity)
        check_perplexity(wanted, count)
        if perplexity is None and wanted < 30:
            notes.append(f"{count} pictures allow a perplexity of {wanted:.3g} at most; 30 is usual.")
        components = principal_components(points, min(dimensions, count, points.shape[1]))
        _, note = pick_engine(engine, count)
        notes += [note] if note else []
        run = run_tsne(components.transform(points), perplexity=wanted, seed=seed, engine=engine, progress=progress)
        positions, kl = run.positions, run.kl
        parameters |= {
            "perplexity": wanted,
            "dimensions": len(components.components),
            "engine": run.engine,
            "iterations": run.iterations,
            "normalizer": normalizer(positions),
        }
    return RepresentationMap(
        positions=positions,
        representations=shown,
        method="pca" if few else method,
        components=components,
        quality=map_quality(points, positions, labels=shown.labels, k=k, seed=seed),
        kl=kl,
        added=np.zeros(count, bool),
        metric=metric,
        notes=tuple(notes),
        parameters=parameters,
        seconds=time.perf_counter() - began,
    )
