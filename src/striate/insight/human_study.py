"""A study in which people label the pictures that networks label: a folder with SQLite and the pictures themselves.

    STUDY/study.sqlite          settings, pictures with their right class, participants, orders, answers
    STUDY/pictures/3f0c….png    what everybody sees, under names that say nothing

Every answer is committed before the next picture is shown, so a study goes on where it was left, whatever ended it.
The first answer to a picture counts; it is never changed.
"""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from striate.data.files import printable
from striate.errors import ConfigError, DataError, UnknownNameError, nearest
from striate.insight.human_study_order import trial_order
from striate.insight.human_study_records import (
    Participant,
    StudyAnswer,
    StudyPicture,
    StudySettings,
    Trial,
    checked_name,
)

__all__ = ["HumanStudy"]

FILE = "study.sqlite"
FORMAT = 1
APPLICATION = 0x5374_7231  # "Str1", so that another program's database is not taken for a study

_ID = re.compile(r"[0-9a-f]{16}")
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE picture (id TEXT PRIMARY KEY, source TEXT NOT NULL, label INTEGER NOT NULL, condition TEXT NOT NULL,
    practice INTEGER NOT NULL);
CREATE TABLE participant (name TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('person', 'network')),
    joined TEXT NOT NULL, facts TEXT NOT NULL);
CREATE TABLE trial (participant TEXT NOT NULL REFERENCES participant, position INTEGER NOT NULL,
    picture TEXT NOT NULL REFERENCES picture, PRIMARY KEY (participant, position), UNIQUE (participant, picture));
CREATE TABLE answer (participant TEXT NOT NULL REFERENCES participant, picture TEXT NOT NULL REFERENCES picture,
    choice INTEGER NOT NULL, rt_ms REAL, shown_ms REAL, interrupted INTEGER NOT NULL, answered TEXT NOT NULL,
    scores TEXT, PRIMARY KEY (participant, picture));
"""


class HumanStudy:
    """A study on the disk; `create` makes one, `HumanStudy(folder)` opens it. Safe to use from several threads.

    Args:
        folder: What `create` was given.

    Raises:
        DataError: If there is no study in the folder, or it is damaged or of a later version.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / FILE
        if not path.is_file():
            raise DataError(
                f"{printable(self.folder)}: no study here ({FILE} is missing). 'striate study new' makes one."
            )
        with self._connection() as database:
            application, version = (
                database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
            if application != APPLICATION:
                raise DataError(f"{printable(path)}: a database, but not that of a study.")
            if version != FORMAT:
                raise DataError(f"{printable(path)} has format {version}; this version of Striate reads {FORMAT}.")
            self.settings = _settings(_loaded(database, path))
            rows = database.execute("SELECT id, source, label, condition, practice FROM picture ORDER BY id").fetchall()
        self.pictures: dict[str, StudyPicture] = {
            row["id"]: StudyPicture(row["id"], row["source"], row["label"], row["condition"], bool(row["practice"]))
            for row in rows
        }
        k = len(self.settings.classes)
        for picture in self.pictures.values():
            if not _ID.fullmatch(picture.id) or not 0 <= picture.label < k:
                raise DataError(f"{printable(path)}: damaged (picture {picture.id[:20]!r}).")

    @classmethod
    def create(
        cls, folder: str | Path, settings: StudySettings, pictures: Iterable[tuple[StudyPicture, bytes]]
    ) -> "HumanStudy":
        """Write a study whole or not at all.

        Args:
            folder: It must not exist.
            settings: What holds for every trial.
            pictures: Each with the bytes of its PNG file.

        Raises:
            DataError: If the folder exists or cannot be written.
        """
        folder = Path(folder)
        if folder.exists() or folder.is_symlink():
            raise DataError(f"{printable(folder)} exists; choose another folder for the study with --out.")
        part = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.part")
        try:
            (part / "pictures").mkdir(parents=True)
            with closing(_connect(part / FILE)) as database:
                database.executescript(_SCHEMA)
                database.execute(f"PRAGMA application_id = {APPLICATION}")
                database.execute(f"PRAGMA user_version = {FORMAT}")
                database.execute("BEGIN")
                words = json.dumps(asdict(settings), allow_nan=False)
                database.execute("INSERT INTO meta VALUES ('settings', ?)", (words,))
                for picture, png in pictures:
                    (part / "pictures" / f"{picture.id}.png").write_bytes(png)
                    row = (picture.id, picture.source, picture.label, picture.condition, int(picture.practice))
                    database.execute("INSERT INTO picture VALUES (?, ?, ?, ?, ?)", row)
                database.execute("COMMIT")
            part.replace(folder)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DataError(f"{printable(folder)}: cannot be written ({reason}); choose another place.") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return cls(folder)

    @property
    def tested(self) -> list[StudyPicture]:
        """The pictures that count, in the order of their ids."""
        return [picture for picture in self.pictures.values() if not picture.practice]

    def picture_file(self, picture: str) -> Path:
        """The PNG file of a picture.

        Raises:
            UnknownNameError: If the study has no such picture.
        """
        if picture not in self.pictures:
            raise UnknownNameError(f"No picture '{picture[:40]}' in this study.")
        return self.folder / "pictures" / f"{picture}.png"

    def participants(self) -> list[Participant]:
        """Everybody who began, people first, in the order of joining."""
        with self._connection() as database:
            rows = database.execute(
                """SELECT name, kind, joined, facts, (SELECT count(*) FROM answer JOIN picture ON picture.id = picture
                WHERE participant = name AND NOT practice) AS answered FROM participant ORDER BY kind DESC, rowid"""
            ).fetchall()
        total = len(self.tested)
        return [
            Participant(row["name"], row["kind"], row["joined"], row["answered"], total, json.loads(row["facts"]))
            for row in rows
        ]

    def participant(self, name: str) -> Participant:
        """One of them.

        Raises:
            UnknownNameError: If nobody has this name.
        """
        everybody = self.participants()
        for one in everybody:
            if one.name == name:
                return one
        raise UnknownNameError(f"Nobody called '{name}' took part. {nearest(name, [one.name for one in everybody])}")

    def join(self, name: str, *, facts: dict[str, Any] | None = None) -> Participant:
        """Let a person begin or go on; the order of a new one is drawn and written down.

        Raises:
            ConfigError: If the name cannot be one, or a network has it.
        """
        name = checked_name(name)
        with self._writing() as database:
            self._add(database, name, "person", facts or {})
            if database.execute("SELECT 1 FROM trial WHERE participant = ?", (name,)).fetchone() is None:
                order = [
                    picture
                    for practice in (True, False)
                    for picture in trial_order(
                        [p.id for p in self.pictures.values() if p.practice is practice],
                        name,
                        seed=self.settings.seed,
                    )
                ]
                rows = [(name, position, picture) for position, picture in enumerate(order)]
                database.executemany("INSERT INTO trial VALUES (?, ?, ?)", rows)
        return self.participant(name)

    def next_trial(self, name: str, *, skip: int = 0) -> Trial | None:
        """The first trial that this person has not answered, or the one after it (`skip=1`); None at the end."""
        with self._connection() as database:
            rows = database.execute(
                """SELECT position, trial.picture, choice FROM trial LEFT JOIN answer USING (participant, picture)
                WHERE participant = ? ORDER BY position""",
                (name,),
            ).fetchall()
        waiting = [row for row in rows if row["choice"] is None][skip:]
        if not waiting:
            return None
        picture = self.pictures[waiting[0]["picture"]]
        same = [row for row in rows if self.pictures[row["picture"]].practice is picture.practice]
        done = sum(row["choice"] is not None for row in same)
        return Trial(waiting[0]["position"], picture, done, len(same))

    def trial_at(self, name: str, position: int) -> StudyPicture | None:
        """The picture at a place of this person's order."""
        with self._connection() as database:
            row = database.execute(
                "SELECT picture FROM trial WHERE participant = ? AND position = ?", (name, position)
            ).fetchone()
        return None if row is None else self.pictures[row["picture"]]

    def add(
        self, name: str, answers: Sequence[StudyAnswer], *, kind: Literal["person", "network"], facts: dict[str, Any]
    ) -> int:
        """Write answers of one participant in one step; who is not known joins. Answers that are there stay.

        Returns:
            How many were new.

        Raises:
            ConfigError: If the name is that of a participant of the other kind.
            DataError: If a picture or a choice is not of this study.
        """
        name, k = checked_name(name), len(self.settings.classes)
        for one in answers:
            if one.picture not in self.pictures or not 0 <= one.choice < k:
                raise DataError(f"Picture {one.picture!r}, choice {one.choice}: not of this study.")
        now = _now()
        with self._writing() as database:
            self._add(database, name, kind, facts)
            before = database.total_changes
            database.executemany(
                "INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        name,
                        one.picture,
                        one.choice,
                        one.rt_ms,
                        one.shown_ms,
                        int(one.interrupted),
                        one.answered or now,
                        None if one.scores is None else json.dumps(one.scores, allow_nan=False),
                    )
                    for one in answers
                ],
            )
            return database.total_changes - before

    def answers(self, *, practice: bool = False) -> list[StudyAnswer]:
        """All answers to the pictures that count (or to those for practice), by participant and then by time."""
        with self._connection() as database:
            rows = database.execute("SELECT * FROM answer ORDER BY participant, answered, rowid").fetchall()
        return [
            StudyAnswer(
                participant=row["participant"],
                picture=row["picture"],
                choice=row["choice"],
                rt_ms=row["rt_ms"],
                shown_ms=row["shown_ms"],
                interrupted=bool(row["interrupted"]),
                answered=row["answered"],
                scores=None if row["scores"] is None else tuple(json.loads(row["scores"])),
            )
            for row in rows
            if self.pictures[row["picture"]].practice is practice
        ]

    def positions(self) -> dict[tuple[str, str], int]:
        """`(participant, picture)` → the place in that person's order."""
        with self._connection() as database:
            rows = database.execute("SELECT participant, picture, position FROM trial").fetchall()
        return {(row["participant"], row["picture"]): row["position"] for row in rows}

    def _add(self, database: sqlite3.Connection, name: str, kind: str, facts: dict[str, Any]) -> None:
        row = database.execute("SELECT kind FROM participant WHERE name = ?", (name,)).fetchone()
        if row is None:
            words = json.dumps(facts, allow_nan=False)
            database.execute("INSERT INTO participant VALUES (?, ?, ?, ?)", (name, kind, _now(), words))
        elif row["kind"] != kind:
            raise ConfigError(f"'{name}' is a {row['kind']} in this study; a {kind} needs another name.")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        path = self.folder / FILE
        try:
            with closing(_connect(path)) as database:
                yield database
        except sqlite3.OperationalError as error:
            raise DataError(f"{printable(path)}: cannot be used ({error}).") from error
        except sqlite3.DatabaseError as error:
            raise DataError(f"{printable(path)}: damaged, or not a study ({error}).") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One step that happens whole or not at all, and is on the disk when it ends."""
        with self._connection() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=20.0, isolation_level=None)
    database.row_factory = sqlite3.Row
    for pragma in ("foreign_keys = ON", "synchronous = FULL", "trusted_schema = OFF"):
        database.execute(f"PRAGMA {pragma}")
    return database


def _loaded(database: sqlite3.Connection, path: Path) -> dict[str, Any]:
    row = database.execute("SELECT value FROM meta WHERE key = 'settings'").fetchone()
    try:
        return dict(json.loads(row["value"]))
    except (TypeError, ValueError) as error:
        raise DataError(f"{printable(path)}: damaged (its settings cannot be read).") from error


def _settings(values: dict[str, Any]) -> StudySettings:
    pairs = tuple((str(a), str(b)) for a, b in values.pop("mapping", ()))
    for name in ("classes", "conditions"):
        values[name] = tuple(values[name])
    return StudySettings(**values, mapping=pairs)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
