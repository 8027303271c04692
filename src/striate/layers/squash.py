"""The scaled hyperbolic tangent of 1998.

f(a) = A tanh(S a) with A = 1.7159 and S = 2/3 passes through (1, 1) and (−1, −1), where its second derivative is
largest in size, so that targets of ±1 lie where the unit is neither linear nor saturated, and a unit's variance stays
near one.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Squash"]


class Squash(nn.Module):
    """f(a) = 1.7159 tanh(2a/3), element by element.

    Source: LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, equation 6 and appendix A.

    >>> round(Squash()(torch.tensor(1.0)).item(), 4)
    1.0
    """

    amplitude = 1.7159
    slope = 2 / 3

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Squash every element of `x` into (−1.7159, 1.7159)."""
        return self.amplitude * torch.tanh(self.slope * x)
