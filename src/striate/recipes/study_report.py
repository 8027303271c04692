"""What a human study found, as a page, as numbers and as a table; networks can still be asked."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from striate import draw
from striate.data.decode import read_image
from striate.data.files import printable, write_whole
from striate.errors import DataError
from striate.insight.human_study import HumanStudy
from striate.insight.human_study_result import StudyResult
from striate.insight.human_study_table import export_answers
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.study import load_networks
from striate.report.study_page import build_study_page, shown_pictures

__all__ = ["StudyReportConfig", "run"]


class StudyReportConfig(BaseModel):
    """Which study, and where the page goes.

    Attributes:
        study: The study's folder.
        networks: To be asked before.
        participants: Only these people and networks; everybody by default.
        out: Folder of the page; `report` in the study by default.
        seed: Of the intervals.
        device: `cpu`, `cuda`, or `auto` for a GPU if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: Path
    networks: tuple[str, ...] = ()
    participants: tuple[str, ...] = ()
    out: Path | None = None
    seed: int = Field(default=0, ge=0)
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where the page goes."""
        return self.out or self.study / "report"


def run(config: StudyReportConfig) -> Iterator[Event]:
    """Write the report of a study: yields a `Plan`, then `Progress`, then `Done` with the `StudyResult`.

    Raises:
        DataError: No study, no answers yet, or a folder that cannot be written.
        StriateError: A network cannot be had, or nobody has the name of a participant.
    """
    study = HumanStudy(config.study)
    yield Plan(
        f"Report of {printable(config.study)}: {len(study.tested):,} pictures, {len(study.settings.classes)} choices."
    )
    yield from load_networks(study, config.networks, device=config.device)
    yield Progress("agreement and its intervals", 0, None)
    result = StudyResult.of(study, observers=config.participants or None, seed=config.seed)
    pictures = {name: read_image(study.picture_file(name)) for name in shown_pictures(result)}
    yield Progress("writing the page", 0, None)
    folder = config.folder
    files = {name: folder / file for name, file in _FILES.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(files["report"], build_study_page(result, pictures).encode("utf-8", "surrogateescape"))
        result.save(files["json"])
        result.save(files["npz"])
        write_whole(files["picture"], draw.encode_png(result.draw()))
        export_answers(study, files["table"])
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(
            f"{printable(folder)}: cannot be written ({reason}); choose another place with --out."
        ) from error
    yield Done(result, folder, files)


_FILES = {
    "report": "report.html",
    "json": "study.json",
    "npz": "study.npz",
    "picture": "error-rates.png",
    "table": "answers.csv",
}
