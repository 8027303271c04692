"""What is known about one set of trained weights, and where its file comes from.

Weights that load into the wrong variant of a network answer nonsense without an error, so a record says exactly which
graph and which preprocessing a file belongs to, and how the file is told from every other (its hash). This module and
`records` know no torch, so that `striate weights list` answers at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from striate.errors import WeightsError
from striate.weights.origin import Origin, WeightFile

if TYPE_CHECKING:
    from striate.data import Preprocessing

__all__ = ["WeightRecord"]


@dataclass(frozen=True, slots=True)
class WeightRecord:
    """One trained set of weights of one exact architecture.

    Attributes:
        architecture: The catalogue's name of the network.
        tag: Which weights: the training and its data, such as `tv2_in1k`.
        origins: Where the file comes from, in the order in which they are tried. Origins may hold different files (a
            safetensors copy on the hub) of the same weights.
        license: The license of the weights, in words.
        variant: One line: which graph exactly these weights belong to.
        source: Where they are documented.
        settings: The preprocessing that they were trained with, as data (see `preprocessing`).
        labels: The name of the class labels (`Labels.load`), or "" where there are no classes.
        num_classes: Number of classes, 0 where the weights end at the features.
        published: Scores as published (`top1`, `top5` in percent, on ImageNet's validation set unless said).
        measured: Scores measured again with this project.
        notes: What surprises.
        default: Whether the architecture's name alone means these weights.
        aliases: Other tags for them, such as torchvision's `IMAGENET1K_V2`.
        same_weights: SHA-256 prefixes of other files that hold the same numbers.
    """

    architecture: str
    tag: str
    origins: tuple[Origin, ...]
    license: str
    variant: str
    source: str
    settings: Mapping[str, Any] = field(hash=False)
    labels: str = ""
    num_classes: int = 0
    published: Mapping[str, float] = field(default_factory=dict, hash=False)
    measured: Mapping[str, float] = field(default_factory=dict, hash=False)
    notes: str = ""
    default: bool = False
    aliases: tuple[str, ...] = ()
    same_weights: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.origins:
            raise WeightsError(f"The weight record {self.name} has no origin.")

    @property
    def name(self) -> str:
        """`architecture.tag`."""
        return f"{self.architecture}.{self.tag}"

    @property
    def file(self) -> WeightFile:
        """The file of the first origin."""
        return self.origins[0].file

    @property
    def layout(self) -> str:
        """Key layout of the first origin's file."""
        return self.file.layout

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the first origin's file, where it is known whole."""
        return self.file.sha256

    @property
    def sha256_prefix(self) -> str | None:
        """Published first digits of it, where only they are known."""
        return self.file.sha256_prefix

    @property
    def size_bytes(self) -> int | None:
        """Exact size of the first origin's file, where it is known."""
        return self.file.size_bytes

    @property
    def size_text(self) -> str:
        """Size of the first origin's file, for people."""
        return self.file.size_text

    @property
    def preprocessing(self) -> "Preprocessing":
        """The preprocessing that the weights were trained with (imports torch)."""
        from striate.data import Preprocessing

        return Preprocessing.from_dict(dict(self.settings))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, for `--json`."""
        return {
            "name": self.name,
            "architecture": self.architecture,
            "tag": self.tag,
            "default": self.default,
            "aliases": list(self.aliases),
            "variant": self.variant,
            "license": self.license,
            "source": self.source,
            "labels": self.labels,
            "num_classes": self.num_classes,
            "preprocessing": dict(self.settings),
            "published": dict(self.published),
            "measured": dict(self.measured),
            "notes": self.notes,
            "origins": [
                {
                    "kind": origin.kind,
                    "from": origin.describe(),
                    "file": origin.file.name,
                    "layout": origin.file.layout,
                    "size_bytes": origin.file.size_bytes,
                    "size_mib": origin.file.size_mib,
                    "sha256": origin.file.sha256,
                    "sha256_prefix": origin.file.sha256_prefix,
                }
                for origin in self.origins
            ],
        }
