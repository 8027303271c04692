"""The deconvnet: an activation put through the network backwards, as a picture.

Every layer is undone by its counterpart: a convolution by its transpose, a max pooling by putting each value back where
the maximum was (its switch), a rectifier by the rectifier again, now applied to what comes back:

    back-propagation   r = [x > 0] g        deconvnet   r = max(g, 0)

The transpose of a convolution and the switches of a pooling are exactly what back-propagation does there. So a
deconvnet is a backward pass with one changed rule, and that is how it is computed.

Source: Zeiler, Fergus 2013, "Visualizing and understanding convolutional networks", arXiv:1311.2901, section 2.1; read
as a backward pass: Simonyan et al. 2013, arXiv:1312.6034, section 4; Springenberg et al. 2014, arXiv:1412.6806,
section 4.
"""

from time import perf_counter

from torch import nn

from striate.data.images import Images
from striate.insight.backward_pass import gradients_of
from striate.insight.input_gradient import InputGradient, as_input_gradient
from striate.insight.target import Target
from striate.models import Network
from striate.probe.backward_rules import SmoothRule

__all__ = ["deconvnet"]


def deconvnet(
    network: Network | nn.Module,
    images: Images,
    *,
    target: Target = None,
    crop: bool = False,
    smooth: SmoothRule = "refuse",
    batch_size: int | None = None,
) -> InputGradient:
    """A unit (or a class) projected down to the picture.

    The rule holds for ReLU, ReLU6, LeakyReLU, PReLU and RReLU, as modules, functions or methods, in place, shared, or
    reading a tensor that something else reads as well (see `striate.probe.backward_rules` for each).

    Values are negative where the first convolution's transpose makes them so: only the rectifiers clip, and none stands
    between the first layer and the picture.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        target: A class index, a label or the address of a unit (`features.3:17@4,5`; without a position, the unit of
            the channel that is most active in the picture), one for all or one for each; each image's best class by
            default. For a single image a list of any length: all from one forward pass.
        crop: Cut the values to the receptive field of each unit; all targets must be units of one layer. The work is
            cut too: only the pixels that the unit sees go through the network.
        smooth: What to do at SiLU, GELU, ELU, Hardswish and other smooth activations, which the paper does not know:
            `refuse` the network by their name, take what comes back `plain` times the derivative, or `rectify` it
            instead.
        batch_size: Pictures that go through the network at once; by default as many as the processor's cache likes.

    Returns:
        `values` `n c h w`; `scores` `n`, the logits or activations.

    Raises:
        ConfigError: A mask that the rule cannot reach (`clamp`, `maximum`, `where`, `x * (x > 0)`) or a smooth
            activation, by its name; a target that is no unit or class, or has no gradient; `crop` for a class.
        UnknownNameError: No such label or layer.
        ShapeError: A class of a module that does not answer `n k`, or a unit of a layer without units.

    Source:
        Zeiler and Fergus 2013, arXiv:1311.2901, section 2.1.

    Differs:
        The paper starts from the activation, here 1 comes back: only the scale differs, by the activation, and a unit
        that is silent in the picture gives a projection too. The paper's network has contrast normalization and its
        deconvnet leaves that out; here every normalization takes its derivative (batch normalization in evaluation mode
        is a scale for each channel). The paper renormalizes its first filters while training; weights are used as they
        are.

    >>> import torch
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    >>> _ = net[1].weight.data.copy_(torch.tensor([[-1.0, -2.0], [3.0, 4.0]]))
    >>> _ = net[3].weight.data.copy_(torch.tensor([[1.0, -1.0]]))
    >>> deconvnet(net, torch.ones(1, 2, 1, 1)).values.ravel().tolist()  # the silent unit's weights: no mask is asked
    [-1.0, -2.0]
    """
    began = perf_counter()
    found = gradients_of(
        network,
        images,
        target,
        method="deconvnet",
        rule="deconvnet",
        smooth=smooth,
        batch_size=batch_size,
        crop=crop,
    )
    return as_input_gradient(network, found, method="deconvnet", rule="deconvnet", smooth=smooth, began=began)
