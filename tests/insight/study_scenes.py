"""Small studies: plain colors to name, a network that looks at the mean color, people who err as they are told."""

import numpy as np
import torch
from PIL import Image
from torch import nn

from striate.data import Labels, Preprocessing, open_data
from striate.insight.human_study import HumanStudy
from striate.insight.human_study_design import design_pictures
from striate.insight.human_study_mapping import study_classes
from striate.insight.human_study_pictures import parse_condition
from striate.insight.human_study_records import StudyAnswer, StudySettings
from striate.models import Network

CLASSES = ("blue", "green", "red")
_COLORS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


def color_folders(folder, *, count=12, side=40, seed=0):
    """Class folders of noisy plain pictures, none like another."""
    generator = np.random.default_rng(seed)
    for name, color in _COLORS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = np.clip(generator.normal(color, 30, (side, side + 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}-{number:02}.png")
    return folder


class MeanColor(nn.Module):
    """Blue, green, red by the mean of each channel; a fourth class that it never says."""

    def forward(self, x):
        r, g, b = x.mean(dim=(2, 3)).unbind(1)
        return 20 * torch.stack([b, g, r, torch.zeros_like(r) - 9], dim=1)


def color_network(name="mean-color"):
    preprocessing = Preprocessing(input_size=(16, 16), resize=20, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return Network(name, MeanColor(), preprocessing, Labels(("blue", "green", "red", "gray")))


def make_study(folder, data, *, conditions=("clean",), per_class=3, practice=3, seed=0, **settings):
    """A study of the colors; `settings` as of `StudySettings`."""
    from striate.draw import encode_png

    images = open_data(data)["all"]
    classes, labels = study_classes(images)
    made = design_pictures(
        images,
        labels,
        classes=classes,
        conditions=[parse_condition(name) for name in conditions],
        per_class=per_class,
        practice=practice,
        side=32,
        seed=seed,
    )
    pictures = [(one.picture, encode_png(one.pixels)) for one in made if one.picture is not None]
    facts = {"title": "Colors", "exposure_ms": 50, "fixation_ms": 20, "mask_ms": 30, "side": 32, **settings}
    return HumanStudy.create(
        folder, StudySettings(classes=classes, conditions=tuple(conditions), seed=seed, **facts), pictures
    )


def answer_all(study, name, *, wrong=(), kind="person", count=None, rt_ms=500.0):
    """Let somebody answer every picture in the order of ids, wrongly those at the places in `wrong`."""
    tested = study.tested[:count]
    k = len(study.settings.classes)
    answers = [
        StudyAnswer(
            name,
            picture.id,
            (picture.label + (place in wrong)) % k,
            rt_ms=rt_ms + place if kind == "person" else None,
        )
        for place, picture in enumerate(tested)
    ]
    study.add(name, answers, kind=kind, facts={})
