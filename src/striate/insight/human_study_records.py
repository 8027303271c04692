"""What a human study is made of: settings, pictures, participants, trials and answers, as plain values."""

from dataclasses import dataclass, field
from typing import Any, Literal

from striate.errors import ConfigError

__all__ = ["Participant", "StudyAnswer", "StudyPicture", "StudySettings", "Trial", "checked_name"]

MOST_CLASSES = 35
"""One key for each class: 1 to 9, then a to z."""


@dataclass(frozen=True)
class StudySettings:
    """What holds for every trial.

    Attributes:
        title: What the study is called.
        classes: The choices, in the order of their keys, 2 to 35.
        conditions: The words of `parse_condition`; `clean` is one of them.
        seed: Of the choice of pictures, of noise, and of every participant's order.
        exposure_ms: How long a picture is shown; 0: until the answer.
        fixation_ms: How long the cross before it.
        mask_ms: How long the noise after it; 0: none.
        side: Most pixels of a picture's side.
        mapping: `(label, class)`: which labels of data and networks belong to which choice, where names differ.
        facts: Where it comes from, as JSON values.

    Raises:
        ConfigError: If there are fewer than two or more than 35 classes, or one twice, or a time is below 0.
    """

    title: str
    classes: tuple[str, ...]
    conditions: tuple[str, ...] = ("clean",)
    seed: int = 0
    exposure_ms: int = 200
    fixation_ms: int = 400
    mask_ms: int = 200
    side: int = 224
    mapping: tuple[tuple[str, str], ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 2 <= len(self.classes) <= MOST_CLASSES:
            raise ConfigError(
                f"A person chooses among 2 to {MOST_CLASSES} classes (one key each), got {len(self.classes)}. Name "
                "some with --classes, draw some with --choices, or join them to coarser ones with --mapping."
            )
        if len(set(self.classes)) < len(self.classes):
            raise ConfigError(f"Every class must be there once, got {', '.join(self.classes)}.")
        for name in ("exposure_ms", "fixation_ms", "mask_ms"):
            if not 0 <= getattr(self, name) <= 60_000:
                raise ConfigError(f"{name} must be from 0 to 60,000 milliseconds, got {getattr(self, name)}.")


@dataclass(frozen=True, slots=True)
class StudyPicture:
    """One picture under one condition.

    Attributes:
        id: Sixteen hexadecimal digits that say nothing.
        source: The picture's name in its data set.
        label: The right class, a position in `StudySettings.classes`.
        condition: A word of `StudySettings.conditions`.
        practice: Whether it is for practice, and left out of every number.
    """

    id: str
    source: str
    label: int
    condition: str
    practice: bool = False


@dataclass(frozen=True, slots=True)
class Participant:
    """A person or a network, and how far it is.

    Attributes:
        name: Chosen by the experimenter or the person.
        kind: `person` or `network`.
        joined: When, in UTC.
        answered: Pictures that are answered, without practice.
        total: Of how many.
        facts: What is known beside that: the screen of a person, the weights and the rule of a network.
    """

    name: str
    kind: Literal["person", "network"]
    joined: str
    answered: int
    total: int
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """The next thing to show to a person; `label` is for the server's eyes only.

    Attributes:
        position: From 0, practice included.
        picture: The picture.
        done: How many trials of this part (practice, or the study) are answered.
        total: Of how many.
    """

    position: int
    picture: StudyPicture
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StudyAnswer:
    """One answer.

    Attributes:
        participant: Who.
        picture: The picture's id.
        choice: The class that was named, a position in `StudySettings.classes`.
        rt_ms: From the picture's first frame to the key, in milliseconds; None for networks, or where not known.
        shown_ms: How long the picture was on the screen, as the page measured it.
        interrupted: Whether the page was hidden or covered meanwhile: the time means nothing then.
        answered: When, in UTC.
        scores: Of a network: the score of every class.
    """

    participant: str
    picture: str
    choice: int
    rt_ms: float | None = None
    shown_ms: float | None = None
    interrupted: bool = False
    answered: str = ""
    scores: tuple[float, ...] | None = None


def checked_name(name: str) -> str:
    """A participant's name without spaces around it.

    Raises:
        ConfigError: If nothing is left, it is longer than 64 letters, or it has letters that cannot be printed.
    """
    text = name.strip()
    if not 1 <= len(text) <= 64 or not text.isprintable():
        raise ConfigError(f"A participant needs a name of 1 to 64 printable letters, such as p01; got {name[:80]!r}.")
    return text
