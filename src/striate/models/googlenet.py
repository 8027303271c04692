"""GoogLeNet: look at several scales at once, and pay for it with 1×1 convolutions.

An inception block sends its input through four branches side by side, 1×1, 3×3 and 5×5 convolutions and a max pool,
and stacks what they give. That would grow out of hand, so 1×1 convolutions reduce the channels before the large windows
and behind the pool. Nine such blocks, 22 layers in all, have a ninth of AlexNet's parameters. To bring gradient into
the middle of the network, two auxiliary classifiers hang on blocks 4a and 4d during training; their losses count .3.

Two graphs have this name. `googlenet_2014` is the paper's, as Caffe's model zoo trained it. `googlenet` is
torchvision's, whose weights come from TensorFlow: batch normalization (ε = 1e-3) instead of biases and local response
normalization, a *3×3* kernel in the branch called 5×5, a 2×2 pool in front of block 5a, and auxiliary classifiers that
pool to 4×4.

Source: Szegedy et al. 2014, Going Deeper with Convolutions, arXiv:1409.4842, table 1 and section 5.
"""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import ConfigError, ShapeError
from striate.layers.checks import require_size

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "build_googlenet"]

# Table 1, an inception block a row: channels in; 1×1; 3×3 reduce and 3×3; 5×5 reduce and 5×5; pool projection.
_INCEPTION = {
    "inception3a": (192, 64, 96, 128, 16, 32, 32),
    "inception3b": (256, 128, 128, 192, 32, 96, 64),
    "inception4a": (480, 192, 96, 208, 16, 48, 64),
    "inception4b": (512, 160, 112, 224, 24, 64, 64),
    "inception4c": (512, 128, 128, 256, 24, 64, 64),
    "inception4d": (512, 112, 144, 288, 32, 64, 64),
    "inception4e": (528, 256, 160, 320, 32, 128, 128),
    "inception5a": (832, 256, 160, 320, 32, 128, 128),
    "inception5b": (832, 384, 192, 384, 48, 128, 128),
}


class GoogLeNetOutputs(NamedTuple):
    """What GoogLeNet returns in training, in torchvision's order: the head on block 4d is number 2, on 4a number 1."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class _Conv(nn.Module):
    """Convolution and ReLU, with batch normalization between them or a bias."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, batch_norm: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=not batch_norm
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3) if batch_norm else None
        self.relu = nn.ReLU()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        out: Tensor = self.relu(x)
        return out


class _Inception(nn.Module):
    """Four branches side by side, their channels stacked."""

    def __init__(self, row: tuple[int, int, int, int, int, int, int], *, kernel_5x5: int, batch_norm: bool) -> None:
        super().__init__()
        channels, ones, threes_reduce, threes, fives_reduce, fives, projection = row
        self.branch1 = _Conv(channels, ones, 1, batch_norm=batch_norm)
        self.branch2 = nn.Sequential(
            _Conv(channels, threes_reduce, 1, batch_norm=batch_norm),
            _Conv(threes_reduce, threes, 3, batch_norm=batch_norm),
        )
        self.branch3 = nn.Sequential(
            _Conv(channels, fives_reduce, 1, batch_norm=batch_norm),
            _Conv(fives_reduce, fives, kernel_5x5, batch_norm=batch_norm),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), _Conv(channels, projection, 1, batch_norm=batch_norm)
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h w"]:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)


class _AuxiliaryHead(nn.Module):
    """The classifier on blocks 4a and 4d in training: pool to 4×4, 1×1 convolution to 128, two full layers."""

    def __init__(
        self, in_channels: int, num_classes: int, *, pool: Literal["adaptive", "5x5"], batch_norm: bool, dropout: float
    ) -> None:
        super().__init__()
        # Caffe rounds the size of a pooled map up.
        self.pool = nn.AdaptiveAvgPool2d(4) if pool == "adaptive" else nn.AvgPool2d(5, stride=3, ceil_mode=True)
        self.conv = _Conv(in_channels, 128, 1, batch_norm=batch_norm)
        self.fc1 = nn.Linear(2048, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        height, width = x.shape[-2:]
        if isinstance(self.pool, nn.AvgPool2d) and not (12 <= height <= 14 and 12 <= width <= 14):
            raise ShapeError(
                "The paper's auxiliary heads need maps of 12 to 14 units a side in training (images of about 224×224), "
                f"but got {height}×{width}: train at 224×224, or build with aux_pool='adaptive' or aux_logits=False."
            )
        x = self.conv(self.pool(x))  # n 128 4 4
        x = self.dropout(self.relu(self.fc1(x.flatten(1))))  # n 1024
        logits: Tensor = self.fc2(x)  # n k
        return logits


class GoogLeNet(nn.Module):
    """Stem, nine inception blocks, global average, one full layer; torchvision's names. Built by `build_googlenet`."""

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        batch_norm: bool,
        local_response_norm: bool,
        kernel_5x5: int,
        maxpool4: int,
        aux_logits: bool,
        aux_pool: Literal["adaptive", "5x5"],
        transform_input: bool,
        dropout: float,
        dropout_aux: float,
    ) -> None:
        super().__init__()
        self.transform_input = transform_input
        # The pool in front of 5a needs two rows if it is 3×3, and every layer before it halves the map.
        self.min_size = 15 if maxpool4 == 2 else 31

        self.conv1 = _Conv(in_channels, 64, 7, stride=2, batch_norm=batch_norm)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.norm1 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0) if local_response_norm else None
        self.conv2 = _Conv(64, 64, 1, batch_norm=batch_norm)
        self.conv3 = _Conv(64, 192, 3, batch_norm=batch_norm)
        self.norm2 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0) if local_response_norm else None
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)

        def inception(name: str) -> _Inception:
            return _Inception(_INCEPTION[name], kernel_5x5=kernel_5x5, batch_norm=batch_norm)

        self.inception3a = inception("inception3a")
        self.inception3b = inception("inception3b")
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception("inception4a")
        self.inception4b = inception("inception4b")
        self.inception4c = inception("inception4c")
        self.inception4d = inception("inception4d")
        self.inception4e = inception("inception4e")
        self.maxpool4 = nn.MaxPool2d(maxpool4, stride=2, ceil_mode=True)
        self.inception5a = inception("inception5a")
        self.inception5b = inception("inception5b")

        def head(channels: int) -> _AuxiliaryHead:
            return _AuxiliaryHead(channels, num_classes, pool=aux_pool, batch_norm=batch_norm, dropout=dropout_aux)

        self.aux1 = head(512) if aux_logits else None
        self.aux2 = head(528) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"] | GoogLeNetOutputs:
        """Give the logits of each image; in training, with auxiliary heads, three kinds of logits.

        The sizes below are those at 224×224.

        Raises:
            ShapeError: the images are too small, or in training not of the size that the paper's heads need.
        """
        require_size(x, self.min_size, "GoogLeNet")
        if self.transform_input:
            x = _from_imagenet_to_unit_range(x)
        x = self.maxpool1(self.conv1(x))  # n 64 56 56
        if self.norm1 is not None:
            x = self.norm1(x)
        x = self.conv3(self.conv2(x))  # n 192 56 56
        if self.norm2 is not None:
            x = self.norm2(x)
        x = self.maxpool2(x)  # n 192 28 28
        x = self.inception3b(self.inception3a(x))  # n 480 28 28
        x = self.inception4a(self.maxpool3(x))  # n 512 14 14
        aux1 = self.aux1(x) if self.training and self.aux1 is not None else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))  # n 528 14 14
        aux2 = self.aux2(x) if self.training and self.aux2 is not None else None
        x = self.maxpool4(self.inception4e(x))  # n 832 7 7
        x = self.inception5b(self.inception5a(x))  # n 1024 7 7
        x = self.avgpool(x).flatten(1)  # n 1024
        logits: Tensor = self.fc(self.dropout(x))  # n k
        if aux1 is None or aux2 is None:
            return logits
        return GoogLeNetOutputs(logits, aux2, aux1)


def _from_imagenet_to_unit_range(x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """From (rgb − mean) / std of ImageNet to (rgb − .5) / .5, the range that TensorFlow's weights were trained on."""
    means_stds = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
    return torch.stack([x[:, c] * (std / 0.5) + (mean - 0.5) / 0.5 for c, (mean, std) in enumerate(means_stds)], dim=1)


def build_googlenet(
    *,
    num_classes: int,
    in_channels: int,
    batch_norm: bool = True,
    local_response_norm: bool = False,
    kernel_5x5: Literal[3, 5] = 3,
    maxpool4: Literal[2, 3] = 2,
    aux_logits: bool = True,
    aux_pool: Literal["adaptive", "5x5"] = "adaptive",
    transform_input: bool = False,
    dropout: float = 0.2,
    dropout_aux: float = 0.7,
) -> GoogLeNet:
    """Build GoogLeNet; the defaults are torchvision's graph, the other choice of each part is the paper's.

    Args:
        num_classes: number of answers.
        in_channels: channels of the images.
        batch_norm: normalize behind every convolution, instead of a bias.
        local_response_norm: normalize across channels behind the first pool and the third convolution, with the
            constants of Caffe's network (the paper gives none).
        kernel_5x5: side of the kernel in the branch that the paper calls 5×5.
        maxpool4: side of the pool's window in front of block 5a.
        aux_logits: build the auxiliary heads. They work in training only.
        aux_pool: `5x5` averages windows of 5×5, 3 apart, and needs images of about 224×224 in training.
        transform_input: the images are normalized with ImageNet's mean and deviation and the weights expect [−1, 1], as
            torchvision's do: convert inside the network. Off, as torchvision's is unless it loads its weights.
        dropout: probability in front of the last layer.
        dropout_aux: the same in the auxiliary heads.

    Returns:
        A network with random weights. With batch normalization a normal distribution of deviation .01, cut at ±.02;
        without, Caffe's "Xavier" (uniform, variance 1 / fan-in) and biases .2 (0 in the last layers), as Caffe's.

    Raises:
        ConfigError: a choice that does not exist, or `transform_input` for images without three channels.

    Differs: torchvision's code cuts the normal distribution at ±2 instead of ±.02, which cuts nothing.
    """
    if kernel_5x5 not in {3, 5} or maxpool4 not in {2, 3} or aux_pool not in {"adaptive", "5x5"}:
        raise ConfigError(
            "GoogLeNet has kernel_5x5 3 or 5, maxpool4 2 or 3 and aux_pool 'adaptive' or '5x5', but got "
            f"{kernel_5x5}, {maxpool4} and {aux_pool!r}."
        )
    if transform_input and in_channels != 3:
        raise ConfigError(f"transform_input needs images of 3 channels (RGB), but got in_channels={in_channels}.")
    network = GoogLeNet(
        num_classes=num_classes,
        in_channels=in_channels,
        batch_norm=batch_norm,
        local_response_norm=local_response_norm,
        kernel_5x5=kernel_5x5,
        maxpool4=maxpool4,
        aux_logits=aux_logits,
        aux_pool=aux_pool,
        transform_input=transform_input,
        dropout=dropout,
        dropout_aux=dropout_aux,
    )
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        if batch_norm:
            _draw_cut_normal(module.weight, std=0.01, cut=2.0)
        else:
            nn.init.kaiming_uniform_(module.weight, nonlinearity="linear")
            if module.bias is not None:
                nn.init.constant_(module.bias, 0.0 if name in {"fc", "aux1.fc2", "aux2.fc2"} else 0.2)
    return network


@torch.no_grad()
def _draw_cut_normal(weight: Tensor, *, std: float, cut: float) -> None:
    """Normal numbers, none further than `cut` deviations from 0: the inverse of the distribution at even numbers.

    `nn.init.trunc_normal_` draws again until all are good, which takes seconds for these thirteen million.
    """
    edge = math.erf(cut / math.sqrt(2))
    nn.init.uniform_(weight, -edge, edge)
    weight.erfinv_().mul_(std * math.sqrt(2)).clamp_(-cut * std, cut * std)
