"""`striate models [NAME]`: which networks there are, and the card of one; reads facts only, so no torch."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from striate.cli.console import ANSWER, print_json, print_next, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.words import count, giga, shape
from striate.errors import UnknownNameError, nearest

if TYPE_CHECKING:
    from striate.models import CatalogueEntry
    from striate.weights import WeightRecord

__all__ = ["models"]


def models(name: str | None = None, /, *, task: str | None = None, json: bool = False) -> int:
    """List the networks with their size, cost and weights; with NAME, show that network's card.

    Args:
        name: A network: show its paper, its exact variant, its traps and its weights.
        task: Only networks for this task, such as classify.
        json: Print one JSON document instead of the table.
    """
    from striate.models import find_entry, list_models

    if name is not None:
        entry = find_entry(name.split(".", 1)[0])
        print_json(_facts(entry)) if json else _show_card(entry)
        return Exit.OK
    entries = [find_entry(each) for each in list_models()]
    tasks = sorted({entry.task for entry in entries})
    if task is not None and task not in tasks:
        raise UnknownNameError(f"No network has the task '{task}'. {nearest(task, tasks)}")
    entries = [entry for entry in entries if task in {None, entry.task}]
    if json:
        print_json([_facts(entry) for entry in entries])
        return Exit.OK
    print_table(
        ["name", "year", "parameters", "GMACs", "input", "weights"],
        [
            [
                entry.name,
                str(entry.year or ""),
                count(entry.parameters),
                giga(entry.macs) if entry.macs else "–",
                shape(entry.input_size),
                ", ".join(record.tag for record in _records(entry)),
            ]
            for entry in entries
        ],
        align="lrrrll",
    )
    print_next("striate models NAME")
    return Exit.OK


def _records(entry: "CatalogueEntry") -> "list[WeightRecord]":
    from striate.weights import list_records

    return list_records(entry.name)


def _facts(entry: "CatalogueEntry") -> dict[str, Any]:
    facts = {key: value for key, value in _plain(entry).items() if key not in {"builder", "options"}}
    weights = [record.to_dict() for record in _records(entry)]
    return {**facts, "year": entry.year, "weights": weights}


def _plain(entry: "CatalogueEntry") -> dict[str, Any]:
    # asdict would copy the catalogue's read-only mappings, which cannot be copied.
    plain = {f.name: getattr(entry, f.name) for f in fields(entry)}
    return {key: dict(v) if hasattr(v, "keys") else list(v) if isinstance(v, tuple) else v for key, v in plain.items()}


def _show_card(entry: "CatalogueEntry") -> None:
    print_result(entry.name, style=ANSWER)
    channels = "1 channel" if entry.input_size[0] == 1 else f"{entry.input_size[0]} channels"
    cost = f", {giga(entry.macs)} GMACs at {shape(entry.input_size)}" if entry.macs else ""
    rows = [
        ["paper", entry.paper],
        ["variant", entry.variant],
        ["size", f"{entry.parameters:,} parameters{cost}"],
        [
            "input",
            f"at least {entry.min_size}×{entry.min_size}, {channels}; {entry.num_classes} classes",
        ],
        ["keys", f"state_dict keys as {entry.keys}"],
    ]
    if entry.same_keys_as:
        rows.append(
            ["beware", f"weights of {', '.join(entry.same_keys_as)} load here without error but mean another graph"]
        )
    rows += [["note", note] for note in entry.notes]
    records = _records(entry)
    for record in records:
        scores = ", ".join(f"{key} {value:g}" for key, value in record.published.items())
        words = [record.name, record.file.size_text, record.license.partition(";")[0], record.origins[0].kind, scores]
        rows.append(["weights", "; ".join(word for word in words if word)])
    terms = dict.fromkeys(record.license.partition(";")[2].strip() for record in records)
    rows += [["terms", each] for each in terms if each]
    print_table(["", ""], rows, align="ll")
    print_next(f"striate inspect {entry.name}")
