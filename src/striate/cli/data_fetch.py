"""`striate data fetch mnist`: a public set, verified, in Striate's cache folder."""

from pathlib import Path

from striate.cli.console import ProgressLine, print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.words import command
from striate.data.files import printable

__all__ = ["fetch"]


def fetch(name: str | None = None, /, *, json: bool = False) -> int:
    """Fetch a public set and verify it; what is here already is verified only. Without a name: list them.

    Args:
        name: mnist or fashion-mnist.
        json: Print one JSON document instead of text.
    """
    from striate.recipes.data_fetch import fetch_data_set, find_data_set, list_data_sets

    if name is None:
        known = list_data_sets()
        if json:
            print_json([{"name": s.name, "title": s.title, "license": s.license, "path": str(s.path)} for s in known])
            return Exit.OK
        rows = [[s.name, s.size_text, s.license, s.title] for s in known]
        print_table(["name", "size", "license", ""], rows, align="lrll")
        print_next(command("striate", "data", "fetch", known[0].name))
        return Exit.OK
    chosen = find_data_set(name)
    print_note(f"{chosen.title}; {chosen.size_text}; {chosen.license}")
    with ProgressLine() as line:
        path, came_from = fetch_data_set(chosen, progress=line.update)
    if json:
        print_json({"name": chosen.name, "path": str(path), "from": came_from})
        return Exit.OK
    told = {"cache": "here already, verified", "package": f"from the package {chosen.package}, verified"}
    print_result(f"Data    {printable(path)} ({told.get(came_from, f'from {came_from}, verified')})")
    print_next(command("striate", "train", Path(path)))
    return Exit.OK
