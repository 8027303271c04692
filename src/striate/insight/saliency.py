"""Data-gradient saliency: which pixels would change the class score most if they changed a little.

A network's class score S_c is nearly linear around one picture I, with the gradient as the weights of that linear
model. The map takes, at each pixel, the largest absolute weight over the color channels:

    w = dS_c / dI,        M[i, j] = max over channels of |w[channel, i, j]|

Source: Simonyan, Vedaldi, Zisserman 2013, "Deep inside convolutional networks", arXiv:1312.6034, section 3.1.
"""

from dataclasses import replace

from torch import nn

from striate.data.images import Images
from striate.insight.heatmap import Heatmap
from striate.insight.input_gradient import input_gradient
from striate.insight.target import Target
from striate.models import Network

__all__ = ["saliency"]


def saliency(
    network: Network | nn.Module, images: Images, *, target: Target = None, batch_size: int | None = None
) -> Heatmap:
    """The absolute gradient of a class score, or of any unit, with respect to the picture, maximum over channels.

    The score is the logit, before the softmax: the gradient of the probability would also push the other classes down.
    The gradient is taken with respect to what the network gets, after normalization. The module is left as it was: no
    gradient on its weights, no changed mode, no hook.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        target: A class index, a label or the address of a unit (`features.3:17@4,5`), one for all or one for each; each
            image's best class by default. For a single image a list of any length: all from one forward pass.
        batch_size: Pictures that go through the network at once; by default as many as the processor's cache likes.

    Returns:
        `values` of shape `n h w`, never negative.

    Raises:
        ConfigError: The answer does not depend on the picture in a way that has a gradient.

    Source:
        Simonyan et al. 2013, arXiv:1312.6034, section 3.1.

    >>> import torch
    >>> linear = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False))
    >>> _ = linear[1].weight.data.copy_(torch.tensor([[1.0, -4.0, 2.0], [0.0, 0.0, 1.0]]))
    >>> saliency(linear, torch.ones(1, 3, 1, 1), target=0).values.tolist()
    [[[4.0]]]
    """
    gradient = input_gradient(network, images, target=target, batch_size=batch_size)
    found = gradient.saliency()
    parameters = {**gradient.parameters, "channels": "maximum of absolute values"}
    if all(isinstance(one, int) for one in found.target):
        parameters = {"score": "logit", "channels": "maximum of absolute values"}
    return replace(found, method="saliency", parameters=parameters)
