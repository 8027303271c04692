"""An average of the weights over the last steps, which answers better than any one of them.

    average ← d · average + (1 − d) · weights,     d = min(decay, (1 + step) / (10 + step))

The small d at the start forgets the random weights soon. Running statistics of batch normalization belong to the
weights that made the maps, so they are averaged as well: the newest ones beside averaged weights do not fit while the
rate is high.

Source: Polyak and Juditsky 1992; Szegedy et al. 2015, arXiv:1512.00567, section 8; the warm-up is TensorFlow's
`ExponentialMovingAverage(num_updates=…)`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """The averaged state of a module, under the module's own names.

    Args:
        module: What is trained.
        decay: Share of the old average that every step keeps, below 1.
    """

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, *, step: int) -> None:
        """Take the weights after `step` steps in."""
        decay = min(self.decay, (1 + step) / (10 + step))
        learned = {name for name, _ in module.named_parameters()}
        pairs: dict[bool, tuple[list[Tensor], list[Tensor]]] = {True: ([], []), False: ([], [])}
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                averages, values = pairs[name in learned]  # weights may be shares, and do not mix with whole buffers
                averages.append(self.state[name])
                values.append(value.detach())
            else:
                self.state[name].copy_(value)
        for averages, values in pairs.values():
            if averages:
                torch._foreach_lerp_(averages, values, 1 - decay)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state that was saved."""
        for name, value in self.state.items():
            value.copy_(state[name])
