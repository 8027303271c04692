"""`striate study status STUDY`: who took part, and how far everybody is. It says nothing about right and wrong."""

from pathlib import Path

from striate.cli.console import print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.words import command
from striate.data.files import printable

__all__ = ["status"]


def status(study: Path, /, *, json: bool = False) -> int:
    """Say who took part and how far everybody is; not how well, so that the experimenter stays blind.

    Args:
        study: The study's folder.
        json: Print one JSON document instead of the table.
    """
    from striate.insight.human_study import HumanStudy  # imports torch

    opened = HumanStudy(study)
    settings, everybody = opened.settings, opened.participants()
    if json:
        print_json(
            {
                "study": str(study),
                "title": settings.title,
                "classes": list(settings.classes),
                "conditions": list(settings.conditions),
                "pictures": len(opened.tested),
                "exposure_ms": settings.exposure_ms,
                "seed": settings.seed,
                "participants": [
                    {"name": p.name, "kind": p.kind, "joined": p.joined, "answered": p.answered, "total": p.total}
                    for p in everybody
                ],
            }
        )
        return Exit.OK
    shown = f"{settings.exposure_ms} ms" if settings.exposure_ms else "until the answer"
    print_result(printable(settings.title))
    print_result(
        f"{len(opened.tested):,} pictures, {len(settings.classes)} choices, conditions "
        f"{', '.join(settings.conditions)}; shown {shown}"
    )
    if everybody:
        rows = [[p.name, p.kind, f"{p.answered:,} of {p.total:,}", p.joined[:16].replace("T", " ")] for p in everybody]
        print_table(["participant", "", "answered", "joined (UTC)"], rows, align="llrl")
    else:
        print_note("Nobody has taken part yet.")
    people = any(p.kind == "person" and p.answered for p in everybody)
    print_next(command("striate", "study", "report" if people else "label", study))
    return Exit.OK
