"""Output units that measure how far the answer is from each class's code.

y_i = Σ_j (x_j − w_ij)² is small when the units below spell the code of class i. Read as an unnormalized negative
log-likelihood of a Gaussian, −y_i is a logit: the largest is the answer, and softmax(−y) gives the posterior
probabilities when all classes are equally likely beforehand.
"""

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["RadialBasisOutput"]


class RadialBasisOutput(nn.Module):
    """Minus the squared distance to every class's code, at every position.

    The codes are fixed: a buffer, saved with the weights that were trained towards them.

    Source: LeCun et al. 1998, section II-B, equation 7.

    Differs: the sign. The paper's unit gives the penalty y_i and its smallest wins; here −y_i is returned, so that the
    largest wins, as everywhere else.

    Args:
        codes: one code a class.

    >>> import torch
    >>> output = RadialBasisOutput(torch.tensor([[1.0, 1.0], [-1.0, 1.0]]))
    >>> output(torch.tensor([1.0, 1.0]).reshape(1, 2, 1, 1)).flatten().tolist()
    [-0.0, -4.0]
    """

    codes: Tensor

    def __init__(self, codes: Float[Tensor, "k d"]) -> None:
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, x: Float[Tensor, "n d h w"]) -> Float[Tensor, "n k h w"]:
        """Give the logit −y_i of each class at each position."""
        # Subtract before squaring: |x|² − 2x·w + |w|² would lose digits to cancellation near a code, most of all in
        # half precision. n k d h w is held for a moment.
        difference = x[:, None] - self.codes[:, :, None, None]
        return -difference.square().sum(dim=2)

    def extra_repr(self) -> str:
        """What `print(module)` shows between the brackets."""
        return f"{self.codes.shape[1]}, {self.codes.shape[0]}"
