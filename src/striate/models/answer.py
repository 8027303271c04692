"""One class that a network answered, and how sure it was."""

from dataclasses import dataclass

__all__ = ["Answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A class with its score.

    Attributes:
        index: The class's place in the network's output.
        label: Its name.
        probability: Softmax probability, in [0, 1].
        logit: The network's raw score.
    """

    index: int
    label: str
    probability: float
    logit: float
