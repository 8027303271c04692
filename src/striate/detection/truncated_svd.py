"""Full layers in two thin factors: less work for almost the same answer.

With thousands of regions a picture the full layers cost half of the time. A layer of u×v weights has a singular value
decomposition W = U S Vᵀ; its t largest values give the best approximation of rank t, and it is computed in two steps:

    W x + b ≈ U_t (S_t V_tᵀ x) + b      u v multiply-adds become t (u + v)

VGG-16's 25088×4096 at rank 1024 and 4096×4096 at rank 256: 119.5 million multiply-adds a region become 32.0 million.

Source: Girshick 2015, Fast R-CNN, arXiv:1504.08083, section 3.1; ranks from its `compress_net.py`.
Differs: the left vectors come from the eigenvectors of W Wᵀ, and the right factor is U_tᵀ W, which is S_t V_tᵀ: of a
wide matrix that is several times faster than a decomposition of the whole, and of full rank it gives W back exactly.
"""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from striate.detection.fast_rcnn import FastRCNN
from striate.detection.faster_rcnn import FasterRCNN
from striate.detection.roi_head import FullLayers
from striate.errors import ConfigError

__all__ = ["compress", "truncate_linear"]

_Detector = TypeVar("_Detector", FastRCNN, FasterRCNN)


def compress(detector: _Detector, *, fc6_rank: int, fc7_rank: int) -> _Detector:
    """A detector whose two full layers are factors of lower rank; it answers the same way, faster. No retraining.

    Args:
        detector: It stays as it is; the rest of its weights is shared with the result.
        fc6_rank: Of the first layer; 1024 for VGG-16 in the paper.
        fc7_rank: Of the second; 256.

    Raises:
        ConfigError: If regions are not judged by two full layers, they are factors already, or a rank is below 1 or
            above what the layer has.
    """
    head = detector.roi_heads.box_head
    if not isinstance(head, FullLayers) or not isinstance(head.fc6, nn.Linear) or not isinstance(head.fc7, nn.Linear):
        raise ConfigError("compress needs a detector that judges regions with two full layers, not factored yet.")
    memo: dict[int, object] = {id(tensor): tensor for tensor in [*detector.parameters(), *detector.buffers()]}
    twin = copy.deepcopy(detector, memo)
    small = twin.roi_heads.box_head
    small.fc6 = truncate_linear(head.fc6, fc6_rank)
    small.fc7 = truncate_linear(head.fc7, fc7_rank)
    return twin


@torch.no_grad()
def truncate_linear(layer: nn.Linear, rank: int) -> nn.Sequential:
    """Two layers whose product is the best approximation of `layer` by a matrix of this rank; the bias is the second's.

    Raises:
        ConfigError: If the rank is below 1 or above the smaller side of the matrix.

    >>> layer = nn.Linear(12, 8)
    >>> x = torch.ones(1, 12)
    >>> bool(torch.allclose(truncate_linear(layer, 8)(x), layer(x), atol=1e-5))
    True
    """
    weight = layer.weight.float()  # out in
    if not 1 <= rank <= min(weight.shape):
        raise ConfigError(f"rank must be from 1 to {min(weight.shape)} for this layer, got {rank}.")
    if weight.shape[0] <= weight.shape[1]:
        left = _top_eigenvectors(weight @ weight.T, rank)  # out rank
        right = left.T @ weight  # rank in
    else:
        basis = _top_eigenvectors(weight.T @ weight, rank)  # in rank
        left, right = weight @ basis, basis.T
    first = nn.Linear(layer.in_features, rank, bias=False, device=layer.weight.device, dtype=layer.weight.dtype)
    second = nn.Linear(
        rank, layer.out_features, bias=layer.bias is not None, device=layer.weight.device, dtype=layer.weight.dtype
    )
    first.weight.copy_(right)
    second.weight.copy_(left)
    if layer.bias is not None:
        second.bias.copy_(layer.bias)
    return nn.Sequential(first, second)


def _top_eigenvectors(matrix: Tensor, rank: int) -> Tensor:
    """Of a symmetric matrix, those of the largest eigenvalues, as columns."""
    # In double precision, so that the vectors stand at right angles to the last bit of a weight.
    vectors: Tensor = torch.linalg.eigh(matrix.double()).eigenvectors
    return vectors[:, -rank:].flip(1).to(matrix.dtype)
