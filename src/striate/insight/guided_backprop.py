"""Guided back-propagation: the gradient to the picture, where only what excites is passed on.

A gradient mixes what excites a unit with what inhibits it, and through many layers the mixture looks like noise. Guided
back-propagation keeps, at every rectifier on the way back, only what is positive, on top of the derivative's own mask:

    back-propagation   r = [x > 0] g        guided   r = [x > 0] max(g, 0)

The picture that comes out is sharp and shows the edges that the unit was excited by. It says less about the unit than
it seems to: with random weights above the first layers it looks much the same (Adebayo et al. 2018, arXiv:1810.03292),
so read it beside `input_gradient` and the checks.

Source: Springenberg, Dosovitskiy, Brox, Riedmiller 2014, "Striving for simplicity: the all convolutional net",
arXiv:1412.6806, section 4.
"""

from time import perf_counter

from torch import nn

from striate.data.images import Images
from striate.insight.backward_pass import gradients_of
from striate.insight.input_gradient import InputGradient, as_input_gradient
from striate.insight.target import Target
from striate.models import Network
from striate.probe.backward_rules import SmoothRule

__all__ = ["guided_backprop"]


def guided_backprop(
    network: Network | nn.Module,
    images: Images,
    *,
    target: Target = None,
    crop: bool = False,
    smooth: SmoothRule = "refuse",
    batch_size: int | None = None,
) -> InputGradient:
    """What of the picture excites a class or a unit, through units that are excited themselves.

    The rule holds for ReLU, ReLU6, LeakyReLU, PReLU and RReLU, as modules, functions or methods, in place, shared, or
    reading a tensor that something else reads as well (see `striate.probe.backward_rules` for each). Sigmoids,
    softmaxes and normalizations take their derivative; `parameters["derivatives"]` lists those that are no rectifiers.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        target: A class index, a label or the address of a unit (`features.3:17@4,5`; without a position, the unit of
            the channel that is most active in the picture), one for all or one for each; each image's best class by
            default. For a single image a list of any length: all from one forward pass. A rectifier's own unit that is
            silent, or at the upper end of a ReLU6, has a gradient of zero: ask the layer before it.
        crop: Cut the values to the receptive field of each unit; all targets must be units of one layer. The work is
            cut too: only the pixels that the unit sees go through the network.
        smooth: What to do at SiLU, GELU, ELU, Hardswish and other smooth activations, which the paper does not know:
            `refuse` the network by their name, take what comes back `plain` times the derivative, or `rectify` it
            before.
        batch_size: Pictures that go through the network at once; by default as many as the processor's cache likes.

    Returns:
        `values` `n c h w`; `scores` `n`, the logits or activations.

    Raises:
        ConfigError: A mask that the rule cannot reach (`clamp`, `maximum`, `where`, `x * (x > 0)`) or a smooth
            activation, by its name; a target that is no unit or class, or has no gradient; `crop` for a class.
        UnknownNameError: No such label or layer.
        ShapeError: A class of a module that does not answer `n k`, or a unit of a layer without units.

    Source:
        Springenberg et al. 2014, arXiv:1412.6806, section 4.

    Differs:
        The paper starts from the activation; here the derivative of the target itself, 1, comes back. At rectifiers
        only the scale differs, by the activation.

    >>> import torch
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    >>> _ = net[1].weight.data.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    >>> _ = net[3].weight.data.copy_(torch.tensor([[1.0, -1.0]]))
    >>> guided_backprop(net, torch.ones(1, 2, 1, 1)).values.ravel().tolist()
    [1.0, 2.0]
    """
    began = perf_counter()
    found = gradients_of(
        network,
        images,
        target,
        method="guided_backprop",
        rule="guided",
        smooth=smooth,
        batch_size=batch_size,
        crop=crop,
    )
    return as_input_gradient(network, found, method="guided_backprop", rule="guided", smooth=smooth, began=began)
