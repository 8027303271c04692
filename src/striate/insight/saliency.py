"""Data-gradient saliency: which pixels would change the class score most if they changed a little.

A network's class score S_c is nearly linear around one picture I, with the gradient as the weights of that linear
model. The map takes, at each pixel, the largest absolute weight over the color channels:

    w = dS_c / dI,        M[i, j] = max over channels of |w[channel, i, j]|

Source: Simonyan, Vedaldi, Zisserman 2013, "Deep inside convolutional networks", arXiv:1312.6034, section 3.1.
"""

from time import perf_counter

import torch
from torch import Tensor, nn

from striate.data.images import Images
from striate.errors import ConfigError
from striate.insight.heatmap import Heatmap, as_numpy
from striate.insight.target import Target, choose_targets, module_and_input
from striate.models import Network
from striate.probe import evaluating

__all__ = ["saliency"]


def saliency(network: Network | nn.Module, images: Images, *, target: Target = None) -> Heatmap:
    """The absolute gradient of a class score with respect to the picture, maximum over channels.

    The score is the logit, before the softmax: the gradient of the probability would also push the other classes down.
    The gradient is taken with respect to what the network gets, after normalization. The module is left as it was: no
    gradient on its weights, no changed mode, no hook.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        target: Class index or label, one for all or one for each; each image's best answer by default.

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
    began = perf_counter()
    module, x = module_and_input(network, images)
    with evaluating(module):
        gradient, targets = class_gradient(network, module, x, target)
    return Heatmap(
        values=as_numpy(gradient.abs().amax(1)),
        method="saliency",
        unit="|d logit / d input|",
        signed=False,
        target=tuple(targets.tolist()),
        parameters={"score": "logit", "channels": "maximum of absolute values"},
        seconds=perf_counter() - began,
    )


def class_gradient(network: Network | nn.Module, module: nn.Module, x: Tensor, target: Target) -> tuple[Tensor, Tensor]:
    """The gradient `n c h w` of each picture's class logit with respect to `x`, and the classes `n`.

    Pictures of one batch do not mix in evaluation mode, so that the gradient of the sum is each one's own.
    """
    # Whatever the caller has switched off, here gradients are the point.
    with torch.inference_mode(False), torch.enable_grad():
        leaf = x.detach().clone().requires_grad_(True)
        # The copy keeps a first layer that works in place away from the leaf.
        logits = module(leaf.clone())
        targets = choose_targets(network, logits, target)
        if not logits.requires_grad:
            raise ConfigError(
                f"{type(module).__name__} gives scores without a gradient to its input (detached, or computed under "
                "no_grad), so there is no saliency. Use occlusion, which needs none."
            )
        chosen = logits.gather(1, targets[:, None]).sum()
        # Only the gradient of the picture: `backward()` would compute and store every weight's as well.
        (gradient,) = torch.autograd.grad(chosen, leaf, allow_unused=True)
    if gradient is None:
        gradient = torch.zeros_like(leaf)
    return gradient, targets
