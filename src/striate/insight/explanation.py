"""What a network saw in one photo, and why it answered what it did: everything a report or another program needs."""

import io
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.data import Preprocessing
from striate.data.files import write_whole
from striate.errors import DataError
from striate.insight.activations import StageActivations
from striate.insight.heatmap import Heatmap
from striate.insight.input_gradient import InputGradient
from striate.insight.kernels import Kernels
from striate.models import Answer
from striate.probe import Summary

__all__ = ["Explanation"]

FORMAT = 2
NUMBERS, ARRAYS = "explanation.json", "arrays.npz"


@dataclass(frozen=True)
class Explanation:
    """One photo, one network, one answer, and the evidence.

    Attributes:
        photo: uint8 `h w 3`, the photo as read (EXIF applied), made smaller for display when it is very large.
        photo_name: The file's name, for people.
        photo_size: `(h, w)` of the original file.
        seen: uint8 `h w 3`: the resized and cropped picture that the network really got.
        crop: `xyxy` of that crop in pixels of the original photo.
        network: The catalogue's name of the network.
        weights: Facts about the weights: name, license, source, sha256, variant; empty for foreign ones.
        preprocessing: What was done to the photo.
        answers: The top answers, best first.
        target: The network's answer for the class that the maps explain (it need not be in the top five).
        summary: Every layer with shape, parameters, MACs and receptive field.
        kernels: The first layer's weights, or None where the network has no convolution.
        activations: One entry a stage.
        saliency: |d logit / d input|, maximum over channels, at the size of `seen`; None where it was not asked for.
        occlusion: Drop of the class probability as a blank patch moves, at the size of `seen`; its grid is
            `1 gh gw k` where `k` runs over `occlusion_classes`; None where it was not asked for.
        occlusion_classes: The grid's last axis: the top answers, and the target when it is not among them.
        occlusion_labels: Their names.
        maps: What other methods found, each by its `method`, in the order to be shown.
        trust: For each map by its method, and for a random order, the areas under the deletion and the insertion curve.
        notes: What the reader has to know, such as a method that this network does not allow.
        provenance: Versions, device, threads, seconds of each part, and the command that made it.
        view_steps: What was found on this photo and done to it, in sentences, where the preprocessing looks for
            something; else empty.
    """

    photo: NDArray[np.uint8]
    photo_name: str
    photo_size: tuple[int, int]
    seen: NDArray[np.uint8]
    crop: tuple[float, float, float, float]
    network: str
    weights: dict[str, Any]
    preprocessing: Preprocessing
    answers: tuple[Answer, ...]
    target: Answer
    summary: Summary
    kernels: Kernels | None
    activations: tuple[StageActivations, ...]
    saliency: Heatmap | None
    occlusion: Heatmap | None
    occlusion_classes: tuple[int, ...]
    occlusion_labels: tuple[str, ...]
    provenance: dict[str, Any]
    view_steps: tuple[str, ...] = ()
    maps: tuple[Heatmap | InputGradient, ...] = ()
    trust: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> dict[str, Heatmap | InputGradient]:
        """Every map that there is, by method: occlusion and saliency first."""
        first = [found for found in (self.occlusion, self.saliency) if found is not None]
        return {found.method: found for found in (*first, *self.maps)}

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Write everything into `folder` (made when missing); each file whole or not at all.

        Activations of an earlier explanation in the same folder are removed: they belong to another network.

        Returns:
            What was written: `explanation.json` (all but the arrays), `arrays.npz` (the arrays), and a PNG each for the
            picture that the network saw, the maps over it, the kernels and every stage's activations.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / NUMBERS).exists():
            for stale in folder.glob("activations_[0-9]*_*.png"):
                stale.unlink()
        arrays: dict[str, Any] = self.arrays()
        packed = io.BytesIO()
        np.savez_compressed(packed, **arrays)
        numbers = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        written = {"npz": folder / ARRAYS, "json": folder / NUMBERS}
        write_whole(written["npz"], packed.getvalue())
        write_whole(written["json"], numbers.encode())
        for name, image in self.pictures().items():
            written[name] = folder / f"{name}.png"
            write_whole(written[name], draw.encode_png(image))
        return written

    @classmethod
    def load(cls, folder: str | Path) -> "Explanation":
        """Read back what `save` wrote.

        Raises:
            DataError: The folder lacks the files, or they are damaged or of a newer format.
        """
        folder = Path(folder)
        try:
            numbers = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
            with np.load(folder / ARRAYS, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            if numbers.get("format") != FORMAT:
                raise DataError(
                    f"{folder / NUMBERS} has format {numbers.get('format')}; this version of Striate reads {FORMAT}."
                )
            return cls._restore(numbers, arrays)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DataError(
                f"{folder} holds no saved explanation: {Path(error.filename).name} is missing. "
                "`striate explain PHOTO --out DIR` writes one."
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{folder} holds a damaged explanation ({error}). Make it again.") from error

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values: what `--json` prints."""
        kernels = self.kernels
        return {
            "format": FORMAT,
            "photo": {
                "name": self.photo_name,
                "size": list(self.photo_size),
                "crop": list(self.crop),
                "steps": list(self.view_steps),
            },
            "network": self.network,
            "weights": self.weights,
            "preprocessing": self.preprocessing.to_dict(),
            "answers": [asdict(answer) for answer in self.answers],
            "target": asdict(self.target),
            "saliency": None if self.saliency is None else self.saliency.settings(),
            "occlusion": None
            if self.occlusion is None
            else {
                **self.occlusion.settings(),
                "classes": list(self.occlusion_classes),
                "labels": list(self.occlusion_labels),
            },
            "maps": [{**found.settings(), "signed_channels": isinstance(found, InputGradient)} for found in self.maps],
            "trust": self.trust,
            "notes": list(self.notes),
            "kernels": None if kernels is None else {"address": kernels.address, "channels": kernels.channels},
            "activations": [
                {f.name: getattr(stage, f.name) for f in fields(stage) if f.name != "maps"}
                for stage in self.activations
            ],
            "summary": self.summary.to_dict(),
            "provenance": self.provenance,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, as `arrays.npz` holds them."""
        named: dict[str, NDArray[Any]] = {"photo": self.photo, "seen": self.seen}
        if self.kernels is not None:
            named["kernels"] = self.kernels.weights
        for method, found in self.found.items():
            named |= {f"{method}_{name}": array for name, array in found.arrays().items()}
        named |= {f"activations_{number}": stage.maps for number, stage in enumerate(self.activations)}
        return named

    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """The pictures by file name: uint8 `h w 3`. Small maps are enlarged with hard pixel edges."""
        drawn = {"seen": self.seen}
        for method, found in self.found.items():
            drawn[method] = found.draw()[0]
            if isinstance(found, Heatmap):
                drawn[f"{method}_over_photo"] = found.draw(self.seen[None])[0]
        if self.kernels is not None:
            tiles = [draw.enlarge(tile, factor=8) for tile in self.kernels.draw()[:, 0]]
            drawn["kernels"] = draw.grid(tiles, gap=4)
        for number, stage in enumerate(self.activations):
            signed = stage.minimum < 0  # a stage that does not end in a ReLU
            limits, colormap = draw.limits_of(stage.maps, signed=signed), draw.SIGNED if signed else draw.UNSIGNED
            factor = max(1, 112 // max(stage.maps.shape[1:]))
            drawings = [draw.colorize(m, limits=limits, colormap=colormap) for m in stage.maps]
            tiles = [draw.enlarge(drawing, factor=factor) for drawing in drawings]
            drawn[f"activations_{number}_{stage.address}"] = draw.grid(tiles, gap=4)
        return drawn

    @classmethod
    def _restore(cls, numbers: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "Explanation":
        def arrays_of(method: str) -> dict[str, NDArray[Any]]:
            return {
                name: arrays[f"{method}_{name}"]
                for name in ("values", "grid", "baseline", "scores", "boxes")
                if f"{method}_{name}" in arrays
            }

        def heatmap(method: str) -> Heatmap | None:
            if numbers[method] is None:
                return None
            settings = {key: v for key, v in numbers[method].items() if key not in ("classes", "labels")}
            return Heatmap.restore(settings, arrays_of(method))

        def other(settings: dict[str, Any]) -> Heatmap | InputGradient:
            plain = {key: v for key, v in settings.items() if key != "signed_channels"}
            kind = InputGradient if settings["signed_channels"] else Heatmap
            return kind.restore(plain, arrays_of(settings["method"]))

        occlusion = numbers["occlusion"] or {"classes": (), "labels": ()}
        first = numbers["kernels"]
        return cls(
            photo=arrays["photo"],
            photo_name=numbers["photo"]["name"],
            photo_size=tuple(numbers["photo"]["size"]),
            seen=arrays["seen"],
            crop=tuple(numbers["photo"]["crop"]),
            network=numbers["network"],
            weights=numbers["weights"],
            preprocessing=Preprocessing.from_dict(numbers["preprocessing"]),
            answers=tuple(Answer(**answer) for answer in numbers["answers"]),
            target=Answer(**numbers["target"]),
            summary=Summary.from_dict(numbers["summary"]),
            kernels=None if first is None else Kernels(first["address"], arrays["kernels"], first["channels"]),
            activations=tuple(
                _stage(facts, arrays[f"activations_{number}"]) for number, facts in enumerate(numbers["activations"])
            ),
            saliency=heatmap("saliency"),
            occlusion=heatmap("occlusion"),
            occlusion_classes=tuple(occlusion["classes"]),
            occlusion_labels=tuple(occlusion["labels"]),
            provenance=numbers["provenance"],
            view_steps=tuple(numbers["photo"].get("steps", ())),
            maps=tuple(other(settings) for settings in numbers["maps"]),
            trust=numbers["trust"],
            notes=tuple(numbers["notes"]),
        )


def _stage(facts: dict[str, Any], maps: NDArray[Any]) -> StageActivations:
    plain: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in facts.items()}
    return StageActivations(**plain, maps=maps)
