"""`striate tsne FOLDER`: a map of pictures by what a network makes of them; new pictures into an old map; neighbors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from striate.cli.checks import check_positive
from striate.cli.console import ANSWER, print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.fetching import fetch_record, find_missing
from striate.cli.words import command, percent
from striate.data.files import printable
from striate.weights.origin import say_bytes

if TYPE_CHECKING:
    from striate.insight.neighbors import Neighbors
    from striate.insight.representation_map import RepresentationMap
    from striate.recipes.events import Done
    from striate.recipes.tsne import TsneConfig

__all__ = ["tsne"]


def tsne(
    folder: Annotated[Path | None, Parameter(show_default=False)] = None,
    /,
    *,
    network: Annotated[str | None, Parameter(show_default=lambda _: "efficientnet_lite0")] = None,
    layer: str | None = None,
    method: Literal["tsne", "pca"] = "tsne",
    perplexity: float | None = None,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    seed: int = 0,
    engine: Literal["auto", "sklearn", "opentsne"] = "auto",
    neighbors: Path | None = None,
    k: int = 8,
    add: Path | None = None,
    map_: Annotated[Path | None, Parameter(name="--map")] = None,
    thumbnail: int = 64,
    out: Annotated[Path | None, Parameter(show_default=lambda _: "striate-out/tsne-FOLDER-NETWORK")] = None,
    batch_size: int | None = None,
    workers: int | None = None,
    max_megapixels: float = 64.0,
    device: str = "auto",
    json: bool = False,
) -> int:
    """Lay pictures out so that those that are alike to a network lie together: one HTML page, PNG, CSV, JSON and npz.

    What is compared is what goes into the network's last fully connected layer. Folders below FOLDER are classes, if
    there are any; none are needed. Run it again on the same folder, and no picture is read twice.

    Args:
        folder: The pictures: a folder, or a data file that `striate data check` knows.
        network: A name of `striate models`, a weights file, or a run's folder.
        layer: Compare what this layer gives instead, such as features.3.
        method: tsne keeps neighbors together; pca shows the two directions of most variance.
        perplexity: About how many neighbors count, 1 to a third of the pictures; 30 when it is not given and possible.
        metric: What near means; cosine leaves the length of the representations out.
        seed: The same seed gives the same map.
        engine: Who computes t-SNE; auto takes openTSNE from 4,000 pictures on, where it is installed.
        neighbors: List the nearest pictures of this photo, or of the photos in this folder.
        k: How many of them.
        add: Put these pictures into an old map, which stays as it is.
        map_: The folder of that map.
        thumbnail: Side of the thumbnails in pixels.
        out: Folder for everything.
        batch_size: Pictures that go through the network at once; what suits the machine when it is not given.
        workers: Threads that read pictures.
        max_megapixels: Larger pictures are left out, and named.
        device: cpu, cuda, or auto for a GPU where there is one.
        json: Print one JSON document instead of the tables.
    """
    check_positive("--max-megapixels", max_megapixels)
    if perplexity is not None:
        check_positive("--perplexity", perplexity)
    if network is None or not Path(network).exists():
        _fetch(network or "efficientnet_lite0")

    from striate.recipes import tsne as recipe  # imports torch
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    config = recipe.TsneConfig(
        folder=folder,
        network=network,
        layer=layer,
        method=method,
        perplexity=perplexity,
        metric=metric,
        seed=seed,
        engine=engine,
        neighbors=neighbors,
        k=k,
        add=add,
        map=map_,
        thumbnail=thumbnail,
        out=out,
        batch_size=batch_size,
        workers=workers,
        max_megapixels=max_megapixels,
        device=device,
    )
    done = draw_events(recipe.run(config))
    _show_json(done) if json else _show(done, config)
    return Exit.SOME_FAILED if done.result.map.representations.problems else Exit.OK


def _fetch(network: str) -> None:
    """Fetch weights that are not here; a network that ends at its features has a representation, too."""
    from striate.errors import ConfigError

    try:
        missing = find_missing(network)
    except ConfigError:
        return
    if missing is not None:
        fetch_record(missing)


def _show_json(done: "Done") -> None:
    files = {name: str(path) for name, path in done.files.items()}
    found = done.result.found
    print_json(
        {
            **done.result.map.to_dict(),
            **({} if found is None else {"found": found.to_dict()}),
            "folder": str(done.folder),
            "report": files["report"],
            "files": files,
        }
    )


def _show(done: "Done", config: "TsneConfig") -> None:
    result: RepresentationMap = done.result.map
    near: Neighbors | None = done.result.neighbors
    found: Neighbors | None = done.result.found
    if near is not None:
        print_result(result.title, style=ANSWER)
        _show_quality(result)
        for note in result.notes:
            print_note(printable(note))
        same = near.duplicates(1e-6)
        if same:
            names = result.representations.names
            print_result(f"Identical to the network: {len(same):,} pair{'' if len(same) == 1 else 's'}")
            print_table(["", ""], [[printable(names[a]), printable(names[b])] for a, b, _ in same[:5]], align="ll")
    if found is not None:
        for q, name in enumerate(found.query_names[:12]):
            print_result(f"Nearest to {printable(name)} (cosine distance)")
            rows = [
                [f"{d:.3f}", printable(found.names[j])]
                for j, d in zip(found.indices[q].tolist(), found.distances[q].tolist(), strict=True)
            ]
            print_table(["", ""], rows, align="rl", answer=0)
    problems = result.representations.problems
    for problem in problems[:5]:
        print_note(printable(problem))
    if problems:
        print_note(f"Could not be read and left out: {len(problems):,} of {len(result) + len(problems):,} pictures.")
    report = done.files["report"]
    print_result(
        f"{'Map   ' if near is not None else 'Picture'}  {printable(report)} ({say_bytes(report.stat().st_size)})"
    )
    print_result(f"Data    {printable(done.folder)} ({len(done.files) - 1} files)")
    if near is not None and config.map is None:
        print_next(command("striate", "tsne", "--map", done.folder, "--add", "MORE"))
    else:
        print_next(command("striate", "tsne", "--map", config.map or done.folder, "--neighbors", "PHOTO"))


def _show_quality(result: "RepresentationMap") -> None:
    quality = result.quality
    rows = []
    if quality.trustworthiness is not None and quality.neighbors_kept is not None:
        rows.append(["trustworthiness", f"{quality.trustworthiness:.3f}", "1 is best, 0.5 chance"])
        chance = percent(quality.neighbors_kept_chance or 0.0)
        rows.append(["neighbors kept", percent(quality.neighbors_kept), f"of {quality.k}; {chance} by chance"])
    if quality.accuracy_after is not None and quality.accuracy_before is not None:
        before = percent(quality.accuracy_before)
        rows.append(["class from neighbors", percent(quality.accuracy_after), f"{before} in the representation"])
    if result.kl is not None:
        rows.append(["KL divergence", f"{result.kl:.3f}", "nats"])
    else:
        shares = result.components.explained[:2].tolist()
        rows.append(["variance shown", percent(sum(shares)), " + ".join(percent(share) for share in shares)])
    print_table(["", "", ""], rows, align="lrl")
