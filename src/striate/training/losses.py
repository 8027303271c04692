"""What is minimized, and what a network's answer in training may be.

Targets are probabilities of the classes, `n k`: a label is a one, smoothing spreads a share ε of it evenly, mixup and
CutMix make two classes share it. Cross-entropy of such a target q is

    L = −Σ_k q_k log softmax(z)_k ,        q = (1 − ε) q + ε / k        (Szegedy et al. 2015, section 7)

A network with auxiliary heads answers with several logits in training; each head adds its own loss, with a weight.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from striate.errors import ConfigError
from striate.models.lenet5 import map_losses

__all__ = ["every_logits", "picture_losses", "soft_targets"]

MAP_J = 10.0  # the paper gives no value for the class "none of these"; distances of right codes end far below it


def soft_targets(labels: Int[Tensor, " n"], num_classes: int, *, dtype: torch.dtype) -> Float[Tensor, "n k"]:
    """Labels as probabilities, all on one class each."""
    return F.one_hot(labels, num_classes).to(dtype)


def every_logits(output: object) -> tuple[Tensor, list[Tensor]]:
    """The logits, and those of the auxiliary heads, whatever form the network answers in.

    Raises:
        ConfigError: If there are no logits `n k` in the answer.
    """
    parts: list[object]
    if isinstance(output, Tensor):
        parts = [output]
    elif isinstance(output, dict) and "logits" in output:
        parts = [output["logits"], *(value for name, value in output.items() if name != "logits")]
    elif isinstance(output, tuple | list):
        parts = list(output)
    else:
        parts = []
    tensors: list[Tensor] = [part for part in parts if isinstance(part, Tensor)]
    if not tensors or any(part.ndim != 2 for part in tensors):
        shapes = [tuple(part.shape) for part in tensors]
        raise ConfigError(
            f"A network that is trained to classify answers with logits n × k (and those of auxiliary heads); got "
            f"{type(output).__name__} with shapes {shapes}."
        )
    return tensors[0], tensors[1:]


def picture_losses(
    logits: Float[Tensor, "n k"],
    targets: Float[Tensor, "n k"],
    *,
    kind: str = "cross-entropy",
    temperature: float = 1.0,
    smoothing: float = 0.0,
    class_weights: Float[Tensor, " k"] | None = None,
) -> Float[Tensor, " n"]:
    """The loss of every picture.

    Args:
        logits: What the network answers; 16-bit ones are read as float32.
        targets: Probabilities of the classes.
        kind: `cross-entropy` or `map`.
        temperature: What the logits are divided by, for `cross-entropy`.
        smoothing: Share of the target that is spread over all classes.
        class_weights: How much each class counts.

    Raises:
        ConfigError: If `map` meets targets that are not one class each.
    """
    logits = logits.float() if logits.element_size() < 4 else logits
    if kind == "map":
        if smoothing or temperature != 1 or class_weights is not None or not bool((targets.amax(1) == 1).all()):
            raise ConfigError(
                "loss 'map' knows one right class a picture: no temperature, smoothing, mixing or class weights."
            )
        return map_losses(logits, targets.argmax(1), j=MAP_J)
    if smoothing:
        targets = targets * (1 - smoothing) + smoothing / targets.shape[1]
    if class_weights is not None:
        targets = targets * class_weights
    return -(targets * (logits / temperature).log_softmax(1)).sum(1)
