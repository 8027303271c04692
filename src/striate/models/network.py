"""A network that is ready for photos: the module together with its preprocessing, its labels and its weights' origin.

Wrong preprocessing never fails, it only answers nonsense. So nobody has to know it: photos go in, answers come out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.data import Labels, Preprocessing
from striate.data.images import Images
from striate.errors import ConfigError, WeightsError
from striate.models.answer import Answer
from striate.models.catalogue import find_entry, list_models
from striate.models.device import pick_device
from striate.probe import Summary, capture, summary
from striate.weights import WeightRecord

__all__ = ["Network", "no_layer_table"]


@dataclass(frozen=True)
class Network:
    """A module, the preprocessing it was trained with, its labels, and where its weights came from.

    Attributes:
        name: The catalogue's name.
        module: The network itself, in evaluation mode.
        preprocessing: From a photo to the tensor that `module` takes.
        labels: Names of the classes.
        weights: The record of the weights, or None for random or foreign ones.

    >>> import striate
    >>> network = striate.load("efficientnet_lite0")
    >>> network.labels[504]
    'coffee mug'
    """

    name: str
    module: nn.Module
    preprocessing: Preprocessing
    labels: Labels
    weights: WeightRecord | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        parameter = next(self.module.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    def to(self, device: str | torch.device) -> "Network":
        """The same network with its weights on `device`: `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU if there is one.

        The module itself is moved, as in torch; its weights lie channels-last, which convolutions run fastest on.

        Raises:
            ConfigError: This machine, or this build of torch, has no such device.
        """
        self.module.to(device=pick_device(device)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def preprocess(self, images: Images) -> Tensor:
        """Photos as this network wants them.

        Args:
            images: A path, the bytes of a file, a uint8 array `h w 3`, a list of those, or an RGB tensor `n 3 h w`
                with values in [0, 1].

        Returns:
            `n c h w`, on the network's device.
        """
        return self.preprocessing(images).to(self.device)

    def logits(self, images: Images) -> Tensor:
        """Raw scores `n k`, without gradients.

        Raises:
            ConfigError: The network ends at its features and has no classes to score, or finds boxes.
            WeightsError: A score is NaN or infinite.
        """
        if not self.labels:
            raise ConfigError(
                f"'{self.name}' ends at its features and has no classes to answer with. "
                "Use network.features(images, layers=…), or a network of `striate models --task classify`."
            )
        if self.name in list_models("detect"):
            raise ConfigError(
                f"'{self.name}' finds boxes and names no whole picture: striate.detection.detect, or `striate detect`."
            )
        with torch.inference_mode():
            scores = torch.as_tensor(self.module(self.preprocess(images)))
        if not bool(scores.isfinite().all()):
            name = self.name if self.weights is None else self.weights.name
            raise WeightsError(
                f"'{name}' answers with numbers that are not finite (NaN or infinite): its weights are damaged or from "
                "a training that diverged. `striate weights verify` checks files that are known."
            )
        return scores

    def classify(self, images: Images, *, top: int = 5) -> list[list[Answer]]:
        """The `top` most probable classes of each photo, best first.

        Raises:
            ConfigError: `top` is below 1.
        """
        if top < 1:
            raise ConfigError(f"top must be at least 1; got {top}.")
        return [self.answers(scores, top=top) for scores in self.logits(images)]

    def answers(self, logits: Tensor, *, top: int = 5) -> list[Answer]:
        """The `top` most probable classes for one picture's `logits` (`k`), best first."""
        scores = logits.double()  # so that probabilities of large networks add up to 1 to the last printed digit
        probabilities = scores.softmax(0)
        best = probabilities.argsort(descending=True, stable=True)[:top]
        return [Answer(int(i), self.labels[int(i)], float(probabilities[i]), float(scores[i])) for i in best.tolist()]

    def features(self, images: Images, *, layers: Iterable[str]) -> dict[str, Tensor]:
        """What chosen layers give for `images`, as a building block for something else.

        The pass ends at the last wanted layer. Gradients flow when they are enabled and the weights want them.

        Args:
            images: As for `preprocess`; any size that the network takes goes in as a tensor of the module itself.
            layers: Module paths, such as `features.3` or `layer4`.

        Returns:
            Layer → output, for example `n c h w`.

        >>> import striate, numpy as np
        >>> network = striate.load("efficientnet_lite0")
        >>> network.features(np.zeros((300, 400, 3), np.uint8), layers=["conv_head"])["conv_head"].shape
        torch.Size([1, 1280, 7, 7])
        """
        return capture(self.module, self.preprocess(images), layers)

    def summary(self, input_size: tuple[int, int] | None = None) -> Summary:
        """The layer table at the network's own input size, or at `(height, width)`.

        Raises:
            ConfigError: The network finds boxes: what its later layers do depends on what the earlier ones found.
        """
        if self.name in list_models("detect"):
            raise no_layer_table(self.name)
        height, width = input_size or self.preprocessing.input_size
        channels = 1 if self.preprocessing.channels == "L" else 3
        return summary(self.module, (channels, height, width), name=self.name)


def no_layer_table(detector: str) -> ConfigError:
    """What is said to whoever asks for the layers of a detector, by its name in the catalogue."""
    trunk = find_entry(detector).options.get("backbone")
    instead = f": `striate inspect {trunk}` shows its trunk" if trunk else ""
    return ConfigError(
        f"'{detector}' finds boxes, and has no layer table{instead}; `striate detect PHOTO --stages` draws its steps."
    )
