"""What a detector cost to train, costs to ask, and is worth: one small file in its run folder, filled by several hands.

The trainer writes what it knows when it ends (`update_detector_facts(folder, stages=…)`), evaluation adds its scores
and times, and a comparison reads them all. What nobody has measured is null, and a dash on a page.
"""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from striate.data.files import printable, write_whole
from striate.errors import ConfigError, DataError

__all__ = ["FACTS_FILE", "FAMILIES", "DetectorFacts", "TrainingStage", "update_detector_facts"]

FACTS_FILE = "detection.json"
FORMAT = 1
FAMILIES = ("rcnn", "fast_rcnn", "faster_rcnn", "yolo", "other")


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """A part of the training that is done before the next can begin.

    Attributes:
        name: In a few words: `features`, `support vector machines`, `network`.
        seconds: Wall time.
    """

    name: str
    seconds: float


@dataclass(frozen=True)
class DetectorFacts:
    """Facts of one trained detector; None where nobody knows.

    Attributes:
        model: Name of the catalogue.
        family: One of `FAMILIES`.
        backbone: Name of the network that computes its features.
        data: What it learned from.
        classes: `k`.
        parameters: All weights of the detector.
        image_size: `(height, width)` of the canvas at test time.
        proposals: Where boxes to be looked at come from: `selective search`, `network`, or `none`.
        proposals_per_picture: How many it looks at (N), the mean.
        proposal_recall: Share of the objects that a proposal covers with IoU ≥ .5.
        stages: Of the training, in their order.
        training_pictures: Pictures it learned from.
        test_pictures: Pictures whose time was taken.
        test_seconds: Time of one picture, decoded to boxes, proposals left out: the median.
        proposal_seconds: Time of one picture's proposals, where they are made outside of the network.
        weights_bytes: Size of the weights on disk.
        cache_bytes: What training needed on disk besides, such as features of every proposal.
        device: `cpu`, or the GPU's name.
        threads: Of the CPU.
        mean_ap: mAP@.5 on `evaluated_pictures` pictures.
        mean_ap_low: Lower end of its 95 % interval.
        mean_ap_high: Upper end.
        coco_ap: COCO's AP.
        evaluated_pictures: How many.
        notes: What to know besides.

    Raises:
        ConfigError: If `family` is none of `FAMILIES`.
    """

    model: str
    family: str
    backbone: str | None = None
    data: str | None = None
    classes: int | None = None
    parameters: int | None = None
    image_size: tuple[int, int] | None = None
    proposals: str | None = None
    proposals_per_picture: float | None = None
    proposal_recall: float | None = None
    stages: tuple[TrainingStage, ...] = ()
    training_pictures: int | None = None
    test_pictures: int | None = None
    test_seconds: float | None = None
    proposal_seconds: float | None = None
    weights_bytes: int | None = None
    cache_bytes: int | None = None
    device: str | None = None
    threads: int | None = None
    mean_ap: float | None = None
    mean_ap_low: float | None = None
    mean_ap_high: float | None = None
    coco_ap: float | None = None
    evaluated_pictures: int | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ConfigError(f"family must be one of {', '.join(FAMILIES)}, got {self.family!r}.")

    @property
    def training_seconds(self) -> float | None:
        """All stages together; None where none is known."""
        return sum(stage.seconds for stage in self.stages) if self.stages else None

    @property
    def whole_seconds(self) -> float | None:
        """Time of one picture with its proposals; None where the first is unknown."""
        return None if self.test_seconds is None else self.test_seconds + (self.proposal_seconds or 0.0)

    def save(self, folder: str | Path) -> Path:
        """Write `detection.json` into a run folder, whole or not at all."""
        path = Path(folder) / FACTS_FILE
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False)
        write_whole(path, text.encode("ascii"))
        return path

    @classmethod
    def load(cls, folder: str | Path) -> "DetectorFacts":
        """Read what `save` wrote.

        Raises:
            DataError: There is no such file, or it is damaged or of a later format.
        """
        path = Path(folder) / FACTS_FILE
        try:
            values = json.loads(path.read_text(encoding="ascii"))
            if values.pop("format") != FORMAT:
                raise DataError(f"{printable(path)} is of a later format; this version of Striate reads {FORMAT}.")
            values["stages"] = tuple(TrainingStage(**stage) for stage in values["stages"])
            values["image_size"] = None if values["image_size"] is None else tuple(values["image_size"])
            values["notes"] = tuple(values["notes"])
            return cls(**values)
        except FileNotFoundError:
            raise DataError(f"{printable(path)}: no such file; it is written when a detector is trained.") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{printable(path)}: damaged ({' '.join(str(error).split())}).") from error


def update_detector_facts(folder: str | Path, **changes: Any) -> DetectorFacts:
    """Change some facts of a run; the file is made if there is none, for which `model` and `family` are needed.

    Args:
        folder: Of the run.
        changes: New values by the names of `DetectorFacts`; None leaves a fact as it is.

    Raises:
        ConfigError: If there is no such fact, or a new file lacks `model` or `family`.
        DataError: If the file is damaged.

    >>> import tempfile
    >>> run = tempfile.mkdtemp()
    >>> _ = update_detector_facts(run, model="yolo_v1", family="yolo", stages=(TrainingStage("network", 61.5),))
    >>> update_detector_facts(run, mean_ap=0.62).training_seconds
    61.5
    """
    known = {field.name for field in fields(DetectorFacts)}
    unknown = sorted(changes.keys() - known)
    if unknown:
        raise ConfigError(f"A detector has no fact '{unknown[0]}'. There are {', '.join(sorted(known))}.")
    given = {name: value for name, value in changes.items() if value is not None}
    if (Path(folder) / FACTS_FILE).exists():
        facts = replace(DetectorFacts.load(folder), **given)
    else:
        lacking = [name for name in ("model", "family") if name not in given]
        if lacking:
            raise ConfigError(f"{printable(Path(folder) / FACTS_FILE)} is new and needs {' and '.join(lacking)}.")
        facts = DetectorFacts(**given)
    facts.save(folder)
    return facts
