"""A map of a folder of pictures by what a network makes of them, with thumbnails; new pictures into an old map.

One pass over the folder gives the representations, which are kept: a second map of the same folder (another perplexity,
PCA instead of t-SNE) reads no picture again. Then the map, its quality, who is next to whom, and one page of all that.
"""

import re
import shlex
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from striate import draw
from striate.data.files import printable, write_whole
from striate.errors import ConfigError, DataError
from striate.insight.neighbors import Neighbors, nearest_neighbors
from striate.insight.representation_map import RepresentationMap, representation_map
from striate.insight.representation_set import Representations
from striate.insight.representations import stream_representations
from striate.models import Network, load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.output_folder import not_writable, require_writable
from striate.report.map_page import build_map_page

__all__ = ["TsneConfig", "TsneResult", "run"]


class TsneConfig(BaseModel):
    """What to map, and how.

    Attributes:
        folder: Pictures: a folder, or a data file; None to put pictures into an old map, or only to search it.
        network: A name of `striate models` (with or without a weight tag), a weights file, or a run's folder. With an
            old map, its network by default.
        layer: Read what this layer gives; what goes into the classifier by default.
        method: `tsne` or `pca`.
        perplexity: Of t-SNE; 30, or what the number of pictures allows.
        metric: `euclidean` or `cosine`.
        seed: The same seed gives the same map.
        engine: `auto`, `sklearn` or `opentsne`.
        neighbors: A photo, or a folder of them, whose nearest pictures are listed.
        k: How many.
        add: Pictures to put into the map `map`.
        map: The folder of an earlier map, or its `map.npz`.
        thumbnail: Side of the thumbnails, in pixels.
        out: Folder for the page and the data; `striate-out/tsne-FOLDER-NETWORK` by default.
        batch_size: Pictures that go through the network at once.
        workers: Threads that read pictures.
        max_megapixels: Larger photos are left out, and named.
        device: `cpu`, `cuda`, or `auto`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path | None = None
    network: str | None = None
    layer: str | None = None
    method: Literal["tsne", "pca"] = "tsne"
    perplexity: float | None = Field(default=None, ge=1, allow_inf_nan=False)
    metric: Literal["euclidean", "cosine"] = "euclidean"
    seed: int = Field(default=0, ge=0, lt=2**32)
    engine: Literal["auto", "sklearn", "opentsne"] = "auto"
    neighbors: Path | None = None
    k: int = Field(default=8, ge=1)
    add: Path | None = None
    map: Path | None = None
    thumbnail: int = Field(default=64, ge=8, le=256)
    out: Path | None = None
    batch_size: int | None = Field(default=None, ge=1)
    workers: int | None = Field(default=None, ge=0)
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"

    @property
    def map_file(self) -> Path | None:
        """The file of the old map."""
        if self.map is None:
            return None
        return self.map / "map.npz" if self.map.is_dir() or not self.map.suffix else self.map

    @property
    def target(self) -> Path:
        """Where everything goes."""
        if self.out is not None:
            return self.out
        what = self.folder or self.add or self.neighbors or Path("map")
        words = [what.resolve().name]
        old = self.map_file
        if old is not None:
            return old.parent / "-".join(["with" if self.add else "near", *map(_word, words)])
        words += [Path(self.network or "efficientnet_lite0").name, *([self.layer] if self.layer else [])]
        return Path("striate-out") / "-".join([self.method, *map(_word, words)])


@dataclass(frozen=True, eq=False)
class TsneResult:
    """What a run gives.

    Attributes:
        map: The map; of a search in an old map, that one.
        neighbors: Of every picture among the others.
        found: The nearest pictures of the photos that were asked about, or None.
    """

    map: RepresentationMap
    neighbors: Neighbors | None
    found: Neighbors | None


def run(config: TsneConfig) -> Iterator[Event]:
    """Make a map: yields a `Plan`, then `Progress`, then `Done` with a `TsneResult`.

    Raises:
        ConfigError: Settings that do not go together, a perplexity out of range, or an old map of another network.
        DataError: The pictures or the old map cannot be read, or the folder cannot be written.
        StriateError: The network or its weights cannot be had.
    """
    _check(config)
    old = _old_map(config)
    name = config.network or (str(old.parameters.get("loaded")) if old is not None else "efficientnet_lite0")
    require_writable(config.target)
    yield Plan(_plan(config, old, name))
    yield Progress("loading the network", 0, None)
    network = load(name).to(config.device)
    if old is None:
        yield from _new_map(config, network, name)
    else:
        yield from _into_old(config, network, old)


def _check(config: TsneConfig) -> None:
    if (config.folder is None) == (config.map is None):
        raise ConfigError("give either a folder of pictures, or an old map with --map; exactly one of them.")
    if config.add is not None and config.map is None:
        raise ConfigError("--add puts pictures into an old map: name it with --map.")
    if config.map is not None and config.add is None and config.neighbors is None:
        raise ConfigError("--map needs --add FOLDER (pictures to put into it) or --neighbors PHOTO.")
    if config.method == "pca" and config.perplexity is not None:
        raise ConfigError("--perplexity belongs to t-SNE; leave it out with --method pca.")
    if config.map is not None and (config.perplexity is not None or config.layer is not None):
        raise ConfigError("an old map keeps its perplexity and its layer; leave out --perplexity and --layer.")
    for path in (config.folder, config.add, config.neighbors):
        if path is not None and not path.exists():
            raise DataError(f"{printable(path)}: no such file or folder.")


def _old_map(config: TsneConfig) -> RepresentationMap | None:
    if config.map_file is None:
        return None
    if not config.map_file.is_file():
        raise DataError(
            f"{printable(config.map_file)}: no such file. --map takes the folder that an earlier map is in."
        )
    return RepresentationMap.load(config.map_file)


def _plan(config: TsneConfig, old: RepresentationMap | None, name: str) -> str:
    what = "t-SNE" if config.method == "tsne" else "PCA"
    if old is None:
        layer = config.layer or "what goes into the classifier"
        folder = printable(config.folder or "")
        return f"Map {folder} by what {name} makes of each picture ({layer}): {what}, quality, neighbors."
    count = f"{len(old):,} pictures"
    if config.add is not None:
        where = f"{name}, {old.representations.layer}"
        return f"Put the pictures of {printable(config.add)} into the map of {count} ({where})."
    return f"Find the {config.k} nearest of {count} ({name}, {old.representations.layer})."


def _new_map(config: TsneConfig, network: Network, name: str) -> Iterator[Event]:
    folder = config.target
    cache = folder / "representations.npz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable(folder, error.strerror or str(error)) from error
    if config.folder is None:
        raise ConfigError("give a folder of pictures.")
    seen = yield from _represent(
        config, network, config.folder, layer=config.layer, cache=cache, stage="representations"
    )
    found = yield from _map(config, seen)
    found = replace(found, parameters={**found.parameters, "loaded": name})
    asked = yield from _asked(config, network, seen)
    yield from _finish(config, found, asked)


def _into_old(config: TsneConfig, network: Network, old: RepresentationMap) -> Iterator[Event]:
    layer = old.representations.parameters.get("layer")
    if network.name != old.representations.network:  # known before any picture is read
        raise ConfigError(
            f"the old map was made by {old.representations.network}, not by {network.name}; places of another network "
            "cannot be put into it. Leave out --network."
        )
    found = old
    if config.add is not None:
        new = yield from _represent(config, network, config.add, layer=layer, cache=None, stage="new pictures")
        yield Progress("placing the new pictures", 0, None)
        found = old.add(new)
    asked = yield from _asked(config, network, old.representations)
    try:
        config.target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable(config.target, error.strerror or str(error)) from error
    if config.add is None:
        files = _write_found(config, asked)
        yield Done(TsneResult(found, None, asked), config.target, {"report": files["found.png"], **files})
    else:
        yield from _finish(config, found, asked)


def _represent(
    config: TsneConfig, network: Network, images: Path, *, layer: str | None, cache: Path | None, stage: str
) -> Generator[Event, None, Representations]:
    work = stream_representations(
        network,
        images,
        layer=layer,
        thumbnail=config.thumbnail,
        batch_size=config.batch_size,
        workers=config.workers,
        max_megapixels=config.max_megapixels,
        cache=cache,
    )
    while True:
        try:
            done, total = next(work)
            yield Progress(stage, done, total)
        except StopIteration as finished:
            found: Representations = finished.value
            return found


def _map(config: TsneConfig, seen: Representations) -> Generator[Event, None, RepresentationMap]:
    """The map, computed beside: openTSNE tells how far it is, scikit-learn does not."""
    told: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
    outcome: list[RepresentationMap | BaseException] = []

    def work() -> None:
        try:
            outcome.append(
                representation_map(
                    seen,
                    method=config.method,
                    perplexity=config.perplexity,
                    metric=config.metric,
                    seed=config.seed,
                    engine=config.engine,
                    progress=lambda done, total: told.put((done, total)),
                )
            )
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.append(error)
        told.put(None)

    stage = f"{'t-SNE' if config.method == 'tsne' else 'PCA'} of {len(seen):,} picture{'' if len(seen) == 1 else 's'}"
    yield Progress(stage, 0, None)
    thread = Thread(target=work, name="striate-tsne", daemon=True)
    thread.start()
    while True:
        try:
            step = told.get(timeout=0.2)
        except Empty:
            continue
        if step is None:
            break
        yield Progress(stage, *step)
    thread.join()
    found = outcome[0]
    if isinstance(found, BaseException):
        raise found
    return found


def _asked(config: TsneConfig, network: Network, seen: Representations) -> Generator[Event, None, Neighbors | None]:
    if config.neighbors is None:
        return None
    layer = seen.parameters.get("layer")
    photos = yield from _represent(config, network, config.neighbors, layer=layer, cache=None, stage="the photo")
    seen.require_same(photos)
    return nearest_neighbors(seen, photos, k=config.k)


def _finish(config: TsneConfig, found: RepresentationMap, asked: Neighbors | None) -> Iterator[Event]:
    yield Progress("neighbors and the page", 0, None)
    near = nearest_neighbors(found.representations, k=config.k)
    folder = config.target
    made = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        files = {name: found.save(folder / name) for name in ("map.npz", "map.csv", "map.json")}
        files["neighbors.json"] = near.save(folder / "neighbors.json")
        for name, picture in (
            ("map.png", found.draw()),
            ("map-dark.png", found.draw(theme="dark")),
            ("grid.png", found.draw(grid=True)),
        ):
            files[name] = folder / name
            write_whole(files[name], draw.encode_png(picture))
        if asked is not None:
            files |= _write_found(config, asked)
        page = folder / "map.html"
        write_whole(page, build_map_page(found, near, command=_command(config), made=made).encode())
    except OSError as error:
        raise not_writable(folder, error.strerror or str(error)) from error
    yield Done(TsneResult(found, near, asked), folder, {"report": page, **files})


def _write_found(config: TsneConfig, asked: Neighbors | None) -> dict[str, Path]:
    if asked is None:
        return {}
    try:
        return {name: asked.save(config.target / name) for name in ("found.png", "found.json")}
    except OSError as error:
        raise not_writable(config.target, error.strerror or str(error)) from error


def _command(config: TsneConfig) -> str:
    words = ["striate", "tsne", *([] if config.folder is None else [str(config.folder)])]
    for name, field in TsneConfig.model_fields.items():
        value: Any = getattr(config, name)
        if name not in ("folder", "out") and value != field.default:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _word(text: str) -> str:
    return re.sub(r"[^\w.]+", "_", text)
