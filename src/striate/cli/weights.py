"""`striate weights list|where|fetch|verify|import`: the trained weights, where they lie, and whether they are right."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter

from striate.cli.console import print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.fetching import announce, fetch_record
from striate.cli.words import command
from striate.data.files import printable
from striate.errors import ConfigError, StriateError

if TYPE_CHECKING:
    from striate.weights import WeightRecord

__all__ = ["app", "fetch", "import_", "list_", "verify", "where"]

app = App(name="weights", help="List, fetch, verify and import trained weights.", group_commands=Group("Verbs"))


@app.command(name="list")
def list_(architecture: str | None = None, /, *, json: bool = False) -> int:
    """List all weights that Striate knows: size, license, score, origin, and whether they are here.

    Args:
        architecture: Only the weights of this network.
        json: Print one JSON document instead of the table.
    """
    from striate.weights import find_record, list_records

    records = list_records(architecture)
    if architecture is not None and not records:
        find_record(architecture)  # says which names are near
    if json:
        print_json([{**record.to_dict(), "here": [str(path) for path, _ in _lying(record)]} for record in records])
        return Exit.OK
    print_table(
        ["name", "size", "license", "top-1", "origin", "here"],
        [
            [
                record.name + (" *" if record.default else ""),
                record.size_text,
                _short_license(record.license),
                f"{record.published['top1']:.1f}" if "top1" in record.published else "",
                ", ".join(origin.kind for origin in record.origins),
                "yes" if _lying(record) else "",
            ]
            for record in records
        ],
        align="lrlrll",
    )
    print_result("* what the network's name alone means. The terms of the training data: striate models NAME.")
    print_next("striate weights fetch NAME")
    return Exit.OK


@app.command
def where(name: str, /, *, json: bool = False) -> int:
    """Say where the file of some weights lies, verified, or where it would be put.

    Args:
        name: A name of `striate weights list`.
        json: Print one JSON document instead of text.
    """
    from striate.weights import find_record
    from striate.weights.cache import cache_path
    from striate.weights.fetching import locate_file

    record = find_record(name)
    problems: list[str] = []
    found = locate_file(record, problems=problems)
    path = None if found is None else found.path
    belongs = cache_path(record, record.file)
    if json:
        print_json({"name": record.name, "path": str(path) if path else None, "cache_path": str(belongs)})
    elif path is not None:
        print_result(str(path))
    else:
        for problem in problems:
            print_note(problem)
        print_note(f"{record.name} is not here. It belongs at {printable(belongs)} ({record.file.hash_text}).")
        print_next(f"striate weights fetch {record.name}")
    return Exit.OK if path is not None else Exit.SOME_FAILED


@app.command
def fetch(name: str, /, *names: str, json: bool = False) -> int:
    """Fetch weights and verify them; what is here already is verified only.

    Args:
        name: A name of `striate weights list`.
        names: Further names.
        json: Print one JSON document instead of text.
    """
    from striate.weights import find_record, locate

    records = [find_record(each) for each in (name, *names)]
    results = []
    for record in records:
        here = locate(record)
        try:
            if here is not None:
                announce(record, "already here")
            path = here or fetch_record(record)
        except StriateError as error:
            if len(records) == 1:
                raise
            print_note(f"Error: {error}")
            results.append({"name": record.name, "path": None, "error": str(error)})
        else:
            results.append({"name": record.name, "path": str(path), "error": None})
            if not json:
                print_result(f"{record.name}  {path}")
    if json:
        print_json(results)
    elif any(result["path"] for result in results):
        print_next(_next_with(next(record for record, result in zip(records, results, strict=True) if result["path"])))
    return Exit.SOME_FAILED if any(result["error"] for result in results) else Exit.OK


def _next_with(record: "WeightRecord") -> str:
    """What most people do with these weights; a trunk without classes cannot explain a photo."""
    if record.num_classes:
        return f"striate explain PHOTO --network {record.name}"
    return f"striate inspect {record.architecture}"


@dataclass(frozen=True)
class Verdict:
    """Whether one file is what its record says; `problem` is empty where it is."""

    name: str
    path: str
    sha256: str
    problem: str

    @property
    def word(self) -> str:
        """The verdict in one word."""
        return "right" if not self.problem else "wrong" if self.path else "missing"


@app.command
def verify(*names: str, all_: Annotated[bool, Parameter(name="--all")] = False, json: bool = False) -> int:
    """Hash the weight files that are here, whole, and compare with what is published.

    Args:
        names: Names of `striate weights list`.
        all_: All weights that are here (also the default without names).
        json: Print one JSON document instead of the table.
    """
    from striate.weights import find_record, list_records

    if names and all_:
        raise ConfigError("Give either names or --all, not both.")
    verdicts = []
    for record in [find_record(name) for name in names] or list_records():
        found = _verdicts(record)
        if names and not found:
            found = [Verdict(record.name, "", "", f"striate weights fetch {record.name}")]
        verdicts += found
    if json:
        print_json([{"name": v.name, "path": v.path, "sha256": v.sha256, "problem": v.problem} for v in verdicts])
    else:
        rows = [[v.name, v.word, v.problem or v.path] for v in verdicts]
        print_table(["name", "content", "file"], rows, align="lll") if rows else print_note("No weights are here yet.")
    return Exit.SOME_FAILED if any(verdict.problem for verdict in verdicts) else Exit.OK


def _verdicts(record: "WeightRecord") -> list[Verdict]:
    from striate.errors import WeightsError
    from striate.weights.verify import check_file, noted_sha256

    verdicts = []
    for path, origin in _lying(record):
        try:
            digest = check_file(path, origin.file, noted=noted_sha256(record, origin.file, path))
            verdicts.append(Verdict(record.name, str(path), digest, ""))
        except WeightsError as error:
            verdicts.append(Verdict(record.name, str(path), "", str(error)))
    return verdicts


@app.command(name="import")
def import_(
    file: Path,
    /,
    *,
    variant: str,
    preprocessing_from: str | None = None,
    labels: str | None = None,
    out: Path | None = None,
    json: bool = False,
) -> int:
    """Write a bare weight file as one that says which network, preprocessing and labels it belongs to.

    Args:
        file: A safetensors file, or a state dict saved with torch (nothing in it is run).
        variant: The network that the weights were trained as, such as resnet50 or resnet50_v1.
        preprocessing_from: Take the preprocessing of these weights, a name of `striate weights list`.
        labels: The classes: imagenet1k, or a text file with one name a line.
        out: The file to write; FILE's name with the network's, beside it, by default.
        json: Print one JSON document instead of text.
    """
    from striate.data import Labels
    from striate.models import find_entry
    from striate.models.blueprints import blueprints
    from striate.weights import find_record, import_file, load_file

    entry = find_entry(variant)
    path = import_file(
        file,
        blueprint=blueprints([entry.name])[0],
        preprocessing=find_record(preprocessing_from).preprocessing if preprocessing_from else None,
        labels=Labels.load(labels) if labels else None,
        out=out,
        blueprints=blueprints,
    )
    metadata = load_file(path).metadata
    says = metadata.preprocessing.describe() if metadata and metadata.preprocessing else None
    classes = len(metadata.labels) if metadata and metadata.labels else None
    if json:
        print_json({"path": str(path), "architecture": variant, "preprocessing": says, "labels": classes})
        return Exit.OK
    word = "on your word" if metadata and metadata.evidence == "user" else "because its content is known"
    print_note(f"Recorded, {word}, as {entry.name}: {entry.variant}.")
    if says is None:
        print_note("Its preprocessing is not known; give --preprocessing-from to use it on photos.")
    print_result(str(path))
    print_next(command("striate", "explain", "PHOTO", "--network", path))
    return Exit.OK


def _lying(record: "WeightRecord") -> list[tuple[Path, Any]]:
    """The record's files that are on this machine, with their origins; unverified."""
    from striate.weights.cache import places

    return list({path: (path, origin) for origin in record.origins for path in places(record, origin)}.values())


def _short_license(text: str) -> str:
    return text.partition(";")[0].partition(" (")[0]
