"""LeNet-5: the network that read a good part of the cheques of the 1990s.

Three ideas make it: units that see a small window (local receptive fields), maps of units that share one set of
weights, and subsampling, which keeps what was seen and forgets exactly where. Seven layers, counted without the input:
convolutions C1, C3 and C5, subsampling S2 and S4, the full layer F6, and the output. C3 is given different
combinations of S2's maps, so that its maps must come to differ. The last layer asks how far F6 is from drawing the
digit: its 84 units are the pixels of a picture 7 wide and 12 high.

Source: LeCun, Bottou, Bengio and Haffner 1998, Gradient-Based Learning Applied to Document Recognition,
Proceedings of the IEEE 86(11), section II-B, table I, equations 6 to 9.

The paper's images are digits of 28×28 in the middle of 32×32, background −0.1 and ink 1.175: with ink x in [0, 1] that
is (x − 20/255) / (200/255).
"""

from collections import OrderedDict
from hashlib import shake_256
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from striate.layers.checks import choose, require_size
from striate.layers.radial_basis import RadialBasisOutput
from striate.layers.squash import Squash
from striate.layers.subsampling import Subsample2d
from striate.layers.table_convolution import TableConv2d

__all__ = ["LeNet5", "build_lenet5", "class_codes", "map_loss", "map_losses"]

# Which S2 maps each C3 map sees (table I): every three neighbors (in a ring), every four neighbors, three fours with
# gaps, and all. 60 links of 25 weights and 16 biases are C3's 1,516 parameters.
C3_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)
_FULL_TABLE = 16 * (tuple(range(6)),)

# The digits 0 to 9, 7 wide and 12 high: # is +1, . is −1. Drawn for this project in the manner of the paper's figure 3,
# whose own drawings are those of a printed ASCII set.
_DIGITS = """
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
..###..  ...##..  ..####.  .#####.  ....##.  #######  ..####.  #######  .#####.  .#####.
.##.##.  ..###..  .##..##  ##...##  ...###.  ##.....  .##....  .....##  ##...##  ##...##
.#...#.  .####..  .....##  .....##  ..####.  ##.....  ##.....  .....##  ##...##  ##...##
##...##  ...##..  .....##  .....##  .##.##.  ##.....  ##.....  ....##.  ##...##  ##...##
##...##  ...##..  ....##.  ..####.  ##..##.  ######.  ######.  ....##.  .#####.  ##...##
##...##  ...##..  ...##..  .....##  ##..##.  .....##  ##...##  ...##..  ##...##  .######
##...##  ...##..  ..##...  .....##  #######  .....##  ##...##  ...##..  ##...##  .....##
.#...#.  ...##..  .##....  .....##  ....##.  .....##  ##...##  ..##...  ##...##  .....##
.##.##.  ...##..  ##.....  ##...##  ....##.  ##...##  ##...##  ..##...  ##...##  ....##.
..###..  .######  #######  .#####.  ....##.  .#####.  .#####.  ..##...  .#####.  .####..
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
"""
_CODE_LENGTH = 7 * 12


def class_codes(num_classes: int) -> Float[Tensor, "k 84"]:
    """The ±1 codes that the output layer compares F6 with, one row a class.

    Ten classes are the digits, drawn 7 wide and 12 high, row by row. Any other number of classes gets ±1 by chance
    with equal odds, which the paper names as the alternative to drawings; class i has the same code in every network
    and on every machine, because it is read out of a hash of i instead of a random generator.

    >>> class_codes(10).shape, class_codes(26).shape
    (torch.Size([10, 84]), torch.Size([26, 84]))
    """
    if num_classes == 10:
        rows = [line.split() for line in _DIGITS.split("\n") if line]
        bits = [[pixel == "#" for row in rows for pixel in row[digit]] for digit in range(10)]
    else:
        bits = [_hash_bits(f"class {i}") for i in range(num_classes)]
    return 2.0 * torch.tensor(bits, dtype=torch.get_default_dtype()) - 1.0


def _hash_bits(text: str) -> list[bool]:
    number = int.from_bytes(shake_256(text.encode()).digest(_CODE_LENGTH // 8 + 1), "little")
    return [bool(number >> i & 1) for i in range(_CODE_LENGTH)]


def map_losses(logits: Float[Tensor, "n k"], labels: Int[Tensor, " n"], *, j: float) -> Float[Tensor, " n"]:
    """The paper's maximum-a-posteriori criterion of every image.

    E = y_label + log(e^−j + Σ_i e^−y_i) with y = −logits. The first term pulls F6 towards the right code, the second
    pushes it away from all codes; the constant j stands for a class "none of these" and keeps the push from going on
    once every wrong code is further away than j.

    Args:
        logits: what `lenet5` returns, −y.
        labels: the right class of each image.
        j: penalty of the class "none of these", positive; the paper gives no value.

    Source: LeCun et al. 1998, equation 9.
    """
    rubbish = logits.new_full((len(logits), 1), -j)
    everything = torch.cat([logits, rubbish], dim=1).logsumexp(dim=1)
    right = logits.gather(1, labels[:, None])[:, 0]
    return everything - right


def map_loss(logits: Float[Tensor, "n k"], labels: Int[Tensor, " n"], *, j: float) -> Float[Tensor, ""]:
    """The mean of `map_losses`, which is what the paper minimizes."""
    return map_losses(logits, labels, j=j).mean()


class LeNet5(nn.Sequential):
    """The layers C1 to output by name, and one answer an image.

    Images larger than 32×32 are read at every position, four pixels apart (the paper's space displacement network,
    section VII), and the logits averaged; the output layer's map holds the answer at each position.
    """

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Give the logits of each image."""
        require_size(x, 32, "LeNet-5")
        for layer in self:
            x = layer(x)
        return x.mean(dim=(2, 3))  # n k 1 1 → n k for 32×32


def build_lenet5(
    *,
    num_classes: int,
    in_channels: int,
    activation: Literal["squash", "relu"] = "squash",
    pooling: Literal["subsample", "max"] = "subsample",
    connections: Literal["table", "full"] = "table",
    output: Literal["radial_basis", "linear"] = "radial_basis",
) -> LeNet5:
    """Build LeNet-5 as published, or with any of four parts made modern.

    The defaults are `lenet5`, the network of 1998: 60,000 trainable parameters and 340,908 connections for ten
    classes. The second choice of all four is `lenet5_relu`, the textbook's LeNet-5, with 61,706 parameters.

    Args:
        num_classes: number of answers; ten mean the digits (see `class_codes`).
        in_channels: channels of the images; the paper's have 1.
        activation: the scaled hyperbolic tangent, also after subsampling, or ReLU, which max pooling needs no copy of.
        pooling: trainable subsampling, or the maximum, each over 2×2.
        connections: what C3 sees of S2: the paper's table, or everything.
        output: distances to fixed codes, or trained weights.

    Returns:
        A network with random weights: uniform in ±2.4/fan-in as in the paper (biases too, and a subsampling unit has a
        fan-in of 4); with ReLU uniform in ±√(6/fan-in) (He et al. 2015), biases 0, subsampling an average.

    Raises:
        ConfigError: a choice that does not exist.

    Differs: F6 and a linear output are written as 1×1 convolutions: the same sums, at every position of a larger image.
    """
    squash = choose("activation", activation, {"squash": Squash, "relu": nn.ReLU})
    table = choose("connections", connections, {"table": C3_TABLE, "full": _FULL_TABLE})
    subsample = choose("pooling", pooling, {"subsample": True, "max": False})
    linear = choose("output", output, {"radial_basis": False, "linear": True})

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["c1"] = nn.Conv2d(in_channels, 6, 5)  # n 6 28 28, from 32 × 32
    layers["c1_activation"] = squash()
    layers["s2"] = Subsample2d(6) if subsample else nn.MaxPool2d(2)  # n 6 14 14
    if subsample:
        layers["s2_activation"] = squash()
    layers["c3"] = nn.Conv2d(6, 16, 5) if table is _FULL_TABLE else TableConv2d(6, table, 5)  # n 16 10 10
    layers["c3_activation"] = squash()
    layers["s4"] = Subsample2d(16) if subsample else nn.MaxPool2d(2)  # n 16 5 5
    if subsample:
        layers["s4_activation"] = squash()
    layers["c5"] = nn.Conv2d(16, 120, 5)  # n 120 1 1
    layers["c5_activation"] = squash()
    layers["f6"] = nn.Conv2d(120, _CODE_LENGTH, 1)  # n 84 1 1
    layers["f6_activation"] = squash()
    layers["output"] = (
        nn.Conv2d(_CODE_LENGTH, num_classes, 1) if linear else RadialBasisOutput(class_codes(num_classes))
    )  # n k 1 1
    network = LeNet5(layers)
    for module in network.modules():
        _initialize(module, relu=activation == "relu")
    return network


@torch.no_grad()
def _initialize(module: nn.Module, *, relu: bool) -> None:
    def bound(fan_in: int) -> float:
        return (6 / fan_in) ** 0.5 if relu else 2.4 / fan_in

    if isinstance(module, TableConv2d):
        module.reset_parameters(bound)
    elif isinstance(module, nn.Conv2d):
        limit = bound(module.weight[0].numel())
        module.weight.uniform_(-limit, limit)
        if module.bias is not None:
            module.bias.uniform_(-limit, limit)
    elif isinstance(module, Subsample2d) and not relu:
        limit = bound(module.window**2)
        module.coefficient.uniform_(-limit, limit)
        module.bias.uniform_(-limit, limit)
    if relu and isinstance(module, nn.Conv2d | TableConv2d) and module.bias is not None:
        module.bias.zero_()
