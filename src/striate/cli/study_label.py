"""`striate study label STUDY`: the page on which a person labels the pictures, served on this machine only."""

import webbrowser
from contextlib import suppress
from pathlib import Path

from striate.cli.console import print_json, print_next, print_note, print_result
from striate.cli.errors import Exit
from striate.cli.words import command
from striate.data.files import printable

__all__ = ["label"]


def label(
    study: Path, /, *, participant: str | None = None, port: int = 0, no_browser: bool = False, json: bool = False
) -> int:
    """Open the page on which a person labels the pictures; Ctrl-C ends it. Every answer is saved at once.

    The page answers to this machine only, and to the one browser that opens its link first.

    Args:
        study: The study's folder.
        participant: Who it is for, such as p01; asked on the page when it is not given.
        port: Of the server; a free one when it is not given.
        no_browser: Only print the link.
        json: Print one JSON document at the end; the link goes to stderr.
    """
    from striate.insight.human_study import HumanStudy  # imports torch
    from striate.insight.human_study_records import checked_name
    from striate.studio.label_page import open_socket, serve_label_page

    opened = HumanStudy(study)
    name = None if participant is None else checked_name(participant)
    if name is not None and any(one.name == name and one.kind == "network" for one in opened.participants()):
        from striate.errors import ConfigError

        raise ConfigError(f"'{name}' is a network in this study; a person needs another name.")
    listener = open_socket(port)

    def started(link: str) -> None:
        print_note(f"Label {len(opened.tested):,} pictures of {printable(study)}. Ctrl-C ends it; nothing is lost.")
        (print_note if json else print_result)(f"Link    {link}")
        if not no_browser:
            webbrowser.open(link)

    with suppress(KeyboardInterrupt):
        serve_label_page(opened, listener, participant=name, started=started)
    people = [one for one in opened.participants() if one.kind == "person"]
    if json:
        print_json({"study": str(study), "people": [_told(one.name, one.answered, one.total) for one in people]})
        return Exit.OK
    print_note("")
    for one in people:
        print_result(f"{one.name}  {one.answered:,} of {one.total:,} pictures")
    unfinished = next((one for one in reversed(people) if one.answered < one.total), None)
    if unfinished is not None:
        print_note(f"{unfinished.name} goes on there with the same command.")
        print_next(command("striate", "study", "label", study, "--participant", unfinished.name))
    else:
        print_next(command("striate", "study", "report" if people else "label", study))
    return Exit.OK


def _told(name: str, answered: int, total: int) -> dict[str, object]:
    return {"name": name, "answered": answered, "total": total}
