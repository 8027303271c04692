"""Guided Grad-CAM: the place from Grad-CAM, the detail from guided back-propagation, multiplied.

    R = guided back-propagation ⊙ enlarged Grad-CAM

Source: Selvaraju et al. 2017, "Grad-CAM", arXiv:1610.02391, section 3.3.
"""

from dataclasses import replace
from time import perf_counter

import numpy as np
from torch import nn

from striate.data.images import Images
from striate.insight.grad_cam import grad_cam
from striate.insight.guided_backprop import guided_backprop
from striate.insight.input_gradient import InputGradient
from striate.insight.target import Target, module_and_input, read_targets
from striate.models import Network
from striate.probe.backward_rules import SmoothRule

__all__ = ["guided_grad_cam"]


def guided_grad_cam(
    network: Network | nn.Module,
    images: Images,
    *,
    target: Target = None,
    layer: str | None = None,
    smooth: SmoothRule = "refuse",
    batch_size: int | None = None,
) -> InputGradient:
    """What guided back-propagation shows, where Grad-CAM says that it speaks for the target.

    It inherits the weakness of guided back-propagation: its detail hardly depends on the weights of the upper layers
    (Adebayo et al. 2018, arXiv:1810.03292). Read it beside `randomization`.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        target: As for `grad_cam`.
        layer: As for `grad_cam`.
        smooth: As for `guided_backprop`.
        batch_size: Pictures that go through the network at once.

    Returns:
        `values` `n c h w`, with the signs of guided back-propagation.

    Raises:
        ConfigError: What `grad_cam` or `guided_backprop` refuse.

    Source:
        Selvaraju et al. 2017, arXiv:1610.02391, section 3.3.
    """
    began = perf_counter()
    module, x = module_and_input(network, images)
    place = grad_cam(module, x, target=read_targets(network, target, len(x)), layer=layer, batch_size=batch_size)
    detail = guided_backprop(module, x, target=list(place.target), smooth=smooth, batch_size=batch_size)
    channels = network.preprocessing.channels if isinstance(network, Network) else detail.channels
    values = detail.values * place.values[:, None].astype(np.result_type(detail.values, place.values))
    return replace(
        detail,
        values=values,
        method="guided_grad_cam",
        unit=f"({detail.unit}) · ({place.unit})",
        channels=channels if values.shape[1] == 3 else detail.channels,
        parameters={**detail.parameters, **place.parameters},
        seconds=perf_counter() - began,
    )
