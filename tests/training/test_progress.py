"""How far a run is comes back from a checkpoint exactly, and not from one that counted otherwise."""

import json

import pytest

from striate.errors import DataError
from striate.training.progress import Progress, Sums


def test_it_comes_back_to_the_last_bit() -> None:
    progress = Progress(step=7, epoch=2, sums=Sums({"loss": 0.1 + 0.2, "top1": 3.0}, 5), best=[0.3, -0.1])
    assert Progress.from_dict(json.loads(json.dumps(progress.to_dict()))) == progress


def test_emptied_sums_keep_their_names() -> None:
    assert Sums({"loss": 2.0, "top1": 3.0}, 5).emptied() == Sums({"loss": 0.0, "top1": 0.0}, 0)


@pytest.mark.parametrize("change", [{"sums": {"loss": 1.0, "right": 2, "pictures": 3}}, {"best_top1": 0.5}])
def test_what_another_version_has_written_is_refused_in_words(change: dict[str, object]) -> None:
    with pytest.raises(DataError, match="begun by a version of Striate that counted otherwise"):
        Progress.from_dict(Progress().to_dict() | change)
