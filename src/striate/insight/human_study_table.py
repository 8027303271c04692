"""Answers as a CSV file: out for other programs, in from other machines, other pages and other networks.

    participant,picture,answer,rt_ms
    p01,3f0c9a1be2d4a715,cat,612

Only these columns are read, `rt_ms` may be missing; `kind` (`person`, `network`) may be there. What is there already is
passed over, so that a file can be read twice; an answer that contradicts one that is there is a problem, not a change.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from striate.data.class_names import normal_name
from striate.data.files import printable, write_whole
from striate.data.problem import Problem
from striate.errors import ConfigError, DataError
from striate.insight.human_study import HumanStudy
from striate.insight.human_study_records import StudyAnswer, checked_name

__all__ = ["COLUMNS", "Import", "export_answers", "import_answers"]

COLUMNS = (
    "participant",
    "kind",
    "position",
    "picture",
    "source",
    "condition",
    "class",
    "answer",
    "correct",
    "rt_ms",
    "shown_ms",
    "interrupted",
    "practice",
    "answered",
)
"""Of an exported table."""


@dataclass(frozen=True)
class Import:
    """What became of a table.

    Attributes:
        added: Answers that are new.
        known: Answers that were there already, the same.
        practice: Lines of practice, which are passed over.
        problems: What is wrong with the other lines.
    """

    added: int
    known: int
    practice: int
    problems: tuple[Problem, ...]


def export_answers(study: HumanStudy, path: str | Path, *, practice: bool = False) -> int:
    """Write every answer as a line, whole or not at all; returns how many.

    Args:
        study: The study.
        path: The CSV file.
        practice: Whether the trials of practice are in it, too, marked as such.

    Raises:
        OSError: If the file cannot be written.
    """
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    kinds = {one.name: one.kind for one in study.participants()}
    positions, classes, count = study.positions(), study.settings.classes, 0
    answers = [*study.answers(), *(study.answers(practice=True) if practice else ())]
    for one in sorted(answers, key=lambda a: (kinds[a.participant] == "network", a.participant, a.answered)):
        picture = study.pictures[one.picture]
        writer.writerow(
            (
                one.participant,
                kinds[one.participant],
                positions.get((one.participant, one.picture), ""),
                one.picture,
                picture.source,
                picture.condition,
                classes[picture.label],
                classes[one.choice],
                int(one.choice == picture.label),
                "" if one.rt_ms is None else f"{one.rt_ms:.1f}",
                "" if one.shown_ms is None else f"{one.shown_ms:.1f}",
                int(one.interrupted),
                int(picture.practice),
                one.answered,
            )
        )
        count += 1
    write_whole(Path(path), text.getvalue().encode("utf-8", "surrogateescape"))
    return count


def import_answers(study: HumanStudy, path: str | Path) -> Import:
    """Read answers into a study: the right lines of a table, and a problem for each of the others.

    Raises:
        DataError: If the file cannot be read or has no such header.
    """
    path = Path(path)
    problems: list[Problem] = []
    there = {(one.participant, one.picture): one.choice for one in study.answers()}
    lines: dict[tuple[str, str], int] = {}
    fresh: dict[tuple[str, str], list[StudyAnswer]] = {}
    kinds: dict[str, str] = {one.name: one.kind for one in study.participants()}
    names = {name: k for k, name in enumerate(study.settings.classes)}
    known = practice = 0
    for line, cells in _rows(path):
        where = f"{printable(path)}, line {line}"
        try:
            one = _answer(cells, study, names)
            kind = cells.get("kind") or "person"
            if kind not in ("person", "network"):
                raise DataError(f"kind must be person or network, got '{kind}'")
            if kinds.setdefault(one.participant, kind) != kind:
                raise DataError(f"'{one.participant}' is a {kinds[one.participant]}, here a {kind}")
        except (ConfigError, DataError) as error:
            problems.append(Problem("bad-line", where, f"{str(error).rstrip('.')}; left out"))
            continue
        key = (one.participant, one.picture)
        if study.pictures[one.picture].practice:
            practice += 1
        elif key in there and there[key] == one.choice:
            known += 1
        elif key in there:
            before = study.settings.classes[there[key]]
            place = f"in line {lines[key]}" if key in lines else "in the study"
            text = f"'{one.participant}' answered this picture with '{before}' {place}; left out"
            problems.append(Problem("answered-twice", where, text))
        else:
            there[key] = one.choice
            lines[key] = line
            fresh.setdefault((one.participant, kind), []).append(one)
    facts = {"imported": path.name}
    added = sum(
        study.add(name, answers, kind="network" if kind == "network" else "person", facts=facts)
        for (name, kind), answers in fresh.items()
    )
    return Import(added, known, practice, tuple(problems))


def _answer(cells: dict[str, str], study: HumanStudy, names: dict[str, int]) -> StudyAnswer:
    participant = checked_name(cells["participant"])
    picture, said = cells["picture"].lower(), normal_name(cells["answer"])
    if picture not in study.pictures:
        raise DataError(f"this study has no picture '{picture[:40]}'")
    choice = names.get(said)
    if choice is None:
        near = [k for name, k in names.items() if name.casefold() == said.casefold()]
        if len(near) != 1:
            raise DataError(f"'{said[:40]}' is none of the choices ({', '.join(names)})")
        choice = near[0]
    answer = StudyAnswer(participant, picture, choice, _milliseconds(cells, "rt_ms"), _milliseconds(cells, "shown_ms"))
    return replace(answer, interrupted=cells.get("interrupted") == "1", answered=cells.get("answered", ""))


def _milliseconds(cells: dict[str, str], name: str) -> float | None:
    text = cells.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e9:
        raise DataError(f"{name} must be milliseconds, got '{text[:40]}'")
    return value


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines below the header, with their numbers, as column → text."""
    name = printable(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{name}: not UTF-8 text; save the table as CSV in UTF-8.") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({(error.strerror or str(error)).lower()}).") from error
    first = text.partition("\n")[0]
    delimiter = next((sign for sign in ",;\t" if sign in first), ",")  # spreadsheets of half of Europe write ;
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    header = [cell.strip().lower() for cell in next(rows, [])]
    missing = [column for column in ("participant", "picture", "answer") if column not in header]
    if missing:
        raise DataError(
            f"{name}, line 1: needs a header with participant, picture and answer; {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing."
        )
    try:
        for row in rows:
            if any(cell.strip() for cell in row):
                padded = [*row, *[""] * (len(header) - len(row))]
                yield rows.line_num, dict(zip(header, (cell.strip() for cell in padded), strict=False))
    except csv.Error as error:
        raise DataError(f"{name}, line {rows.line_num}: {error}; check the quotes in this line.") from error
