"""The layer table of foreign and awkward modules, against hand counts and published numbers."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.arithmetic import Field
from striate.errors import ConfigError, ShapeError
from striate.probe import Summary, summary
from tests.oracles.foreign import load_timm, load_torchvision


class Functional(nn.Module):
    """Nothing but functional calls: tables built on module hooks alone see an empty network here."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.weight = nn.Parameter(torch.randn(5, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(F.conv2d(x, self.kernel, stride=2, padding=1)), 2)
        return F.linear(F.adaptive_avg_pool2d(x, 1).flatten(1), self.weight)


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = Functional()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.a = nn.Conv2d(4, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 4, 5, padding=2)
        self.act = nn.ReLU(inplace=True)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.stem(x))
        left = self.act(self.a(x)) + x
        right = self.b(x)
        return self.out(torch.cat([left, right], 1))


class LooksAtValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y if float(y.sum()) > 1e9 else y * 2


def test_costs_and_fields_of_functional_code_are_found() -> None:
    table = summary(Wrapped(), (3, 16, 16))
    (body,) = table.rows
    assert table.parameters == 4 * 27 + 20 == body.parameters
    assert table.macs == 8 * 8 * 4 * 27 + 20 == body.macs
    assert body.output_shape == (1, 5)
    assert body.field is not None
    assert body.field.whole


def test_branches_meet_in_one_field_and_name_their_sources() -> None:
    table = summary(Residual(), (3, 8, 8))
    out = table.row("out")
    assert out is not None
    assert out.field == Field((7, 7), (1, 1), (-3, -3))
    by_index = {i: row.address for i, row in enumerate(table.rows)}
    assert {by_index[i] for i in out.sources} == {"act", "act#2", "b"}
    a, b = table.row("a"), table.row("b")
    assert a is not None
    assert b is not None
    assert a.sources == b.sources
    assert table.row("stem").sources == ()  # type: ignore[union-attr]


def test_a_shared_module_has_a_row_for_each_call_and_its_parameters_once() -> None:
    conv = nn.Conv2d(3, 3, 3, padding=1)
    table = summary(nn.Sequential(conv, nn.ReLU(), conv), (3, 8, 8))
    assert [(row.address, row.parameters) for row in table.rows] == [("0", 84), ("1", 0), ("0#2", 0)]
    assert table.parameters == 84
    assert table.macs == 2 * 64 * 81


def test_a_module_that_looks_at_values_is_run_for_real() -> None:
    assert summary(LooksAtValues(), (3, 8, 8)).macs == 36 * 4 * 27


def test_the_module_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Sequential(nn.ReLU(inplace=True)))
    net[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    modes = [m.training for m in net.modules()]
    summary(net, (3, 8, 8))
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(v, before[k]) and not v.is_meta for k, v in net.state_dict().items())
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in net.modules())
    assert all(p.grad is None for p in net.parameters())


def test_meta_weights_do_as_well() -> None:
    with torch.device("meta"):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2))
    assert summary(net, (3, 8, 8)).macs == 36 * 4 * 27 + 288


@pytest.mark.parametrize("size", [(3,), (3, 0, 8), (2, 3, 8, 8), (3, 8, 8, 8, 8)])
def test_a_wrong_input_size_is_refused(size: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="input_size must be"):
        summary(nn.Conv2d(3, 4, 3), size)


def test_an_input_that_the_module_refuses_is_said_so() -> None:
    with pytest.raises(ShapeError, match="Sequential refuses an input of size"):
        summary(nn.Sequential(nn.Conv2d(3, 4, 3)), (5, 8, 8))


def test_the_table_survives_json() -> None:
    table = summary(Residual(), (3, 8, 8), name="r")
    assert Summary.from_dict(table.to_dict()) == table
    up = summary(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 4, 4, stride=3, padding=1)), (3, 9, 9))
    assert Summary.from_dict(up.to_dict()) == up


def test_the_text_has_a_line_a_row_and_the_totals() -> None:
    table = summary(Residual(), (3, 8, 8))
    lines = table.to_text().splitlines()
    assert len(lines) == len(table.rows) + 2
    assert f"{table.parameters:,}" in lines[-1]
    assert f"{table.macs:,}" in lines[-1]


# Araujo, Norris, Sim 2019 (distill.pub/2019/computing-receptive-fields), table of models; torchvision's ResNet puts
# the stride in the 3x3 convolution, so its field is 427 where the paper's graph has 483.
@pytest.mark.parametrize(
    ("name", "address", "size", "stride", "start"),
    [
        ("alexnet", "features.12", 195, 32, None),
        ("vgg16", "features.30", 212, 32, -90),
        ("resnet50", "layer4", 427, 32, None),
    ],
)
def test_published_receptive_fields(name: str, address: str, size: int, stride: int, start: int | None) -> None:
    with torch.device("meta"):
        net = load_torchvision().models.get_model(name)
    row = summary(net, (3, 224, 224)).row(address)
    assert row is not None
    assert row.field is not None
    assert (row.field.size, row.field.stride) == ((size, size), (stride, stride))
    assert start is None or row.field.start == (start, start)
    assert not row.field.whole


def test_a_block_that_halves_the_map_side_by_side_is_one_piece() -> None:
    """Inception-v3's Mixed_6a has branches that halve at different layers; opened, sizes would go back and forth."""
    with torch.device("meta"):
        net = load_torchvision().models.inception_v3(init_weights=False)
    sides = [stage.output_shape[-1] for stage in summary(net, (3, 299, 299)).stages]
    assert sides == [149, 147, 73, 71, 35, 17, 8, 1000]


def test_foreign_networks_group_into_the_stages_people_know() -> None:
    models = load_torchvision().models
    with torch.device("meta"):
        resnet, vgg = models.resnet50(), models.vgg16()
        se = load_timm().create_model("legacy_seresnet50")
    assert [s.name for s in summary(resnet, (3, 224, 224)).stages] == [
        "conv1",
        "layer1",
        "layer2",
        "layer3",
        "layer4",
        "fc",
    ]
    assert [s.output_shape[1:] for s in summary(vgg, (3, 224, 224)).stages] == [
        (64, 224, 224), (128, 112, 112), (256, 56, 56), (512, 28, 28), (512, 14, 14), (512, 7, 7), (1000,)
    ]  # fmt: skip
    table = summary(se, (3, 224, 224))
    gated = table.row("layer1")
    assert gated is not None
    assert gated.field is not None
    assert gated.field.whole
    assert gated.field.size == (35, 35)
    assert sum(s.macs for s in table.stages) == table.macs
    assert sum(s.parameters for s in table.stages) == table.parameters


class Keeps(nn.Module):
    """Stores what it sees, and counts, as people's networks do."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.last = self.conv(x)
        self.count = self.count + 1
        return self.last


def test_nothing_fake_is_left_in_the_module() -> None:
    keeps = Keeps()
    with pytest.warns(FutureWarning, match="weight_norm"):  # old, and in use: its hook sets an attribute `weight`
        normed = nn.utils.weight_norm(nn.Conv2d(3, 4, 3))
    count = keeps.count
    summary(nn.Sequential(keeps), (3, 8, 8))
    summary(nn.Sequential(normed), (3, 8, 8))
    assert keeps.count is count
    assert not hasattr(keeps, "last")
    assert type(normed.weight) is Tensor
    with pytest.raises(ShapeError):
        summary(nn.Sequential(keeps, nn.Conv2d(5, 4, 3)), (3, 8, 8))
    assert not hasattr(keeps, "last")


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_lazy_and_scripted_modules_are_refused_and_left_usable() -> None:
    lazy = nn.Sequential(nn.LazyConv2d(4, 3))
    with pytest.raises(ConfigError, match="has lazy layers whose shapes are not known yet"):
        summary(lazy, (3, 8, 8))
    assert lazy(torch.ones(1, 3, 8, 8)).shape == (1, 4, 6, 6)
    assert summary(lazy, (3, 8, 8)).macs == 36 * 4 * 27
    traced = torch.jit.trace(nn.Conv2d(3, 4, 3), torch.ones(1, 3, 8, 8))
    for module in (traced, nn.Sequential(traced)):
        with pytest.raises(ConfigError, match="is TorchScript, which cannot be watched"):
            summary(module, (3, 8, 8))


def test_a_parametrized_layer_is_one_row() -> None:
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3, padding=1))
    table = summary(nn.Sequential(conv, nn.ReLU()), (3, 8, 8))
    assert [row.address for row in table.rows] == ["0", "1"]
    assert table.rows[0].leaf
    assert table.rows[0].parameters == table.parameters == 4 + 108 + 4
    assert [stage.output_shape for stage in table.stages] == [(1, 4, 8, 8)]


def test_a_compiled_module_shows_its_layers_also_after_its_first_run() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    net.compile(backend="eager")
    net(torch.ones(1, 3, 8, 8))
    assert [row.address for row in summary(net, (3, 8, 8)).rows] == ["0", "1"]
    whole = torch.compile(net, backend="eager")
    whole(torch.ones(1, 3, 8, 8))
    assert [row.kind for row in summary(whole, (3, 8, 8)).rows if row.leaf] == ["Conv2d", "ReLU"]


def test_a_module_that_leaves_torch_is_run_for_real_unless_that_is_forbidden() -> None:
    class Numpy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(x.numpy() * 2)

    for module in (nn.Sequential(nn.Conv2d(3, 4, 3), Numpy()), LooksAtValues()):
        assert summary(module, (3, 8, 8)).macs == 36 * 4 * 27
        with pytest.raises(ShapeError, match="refuses an input of size"):
            summary(module, (3, 8, 8), run=False)


def test_what_is_written_into_a_part_is_known_to_be_there() -> None:
    class Pastes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 3, 3), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            y = torch.zeros_like(x[:, :, :1, :1]).new_zeros(1, 3, 8, 8)
            y[:, :, 1:7, 1:7] = self.conv(x)
            return self.last(y)

    row = summary(Pastes(), (3, 8, 8)).row("last")
    assert row is not None
    assert row.field is not None
    assert row.field.whole
    assert row.sources == (0,)


def test_two_threads_watch_one_module() -> None:
    net = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(8)))
    wanted = summary(net, (3, 8, 8))
    with ThreadPoolExecutor(4) as pool:
        assert all(table == wanted for table in pool.map(lambda _: summary(net, (3, 8, 8)), range(12)))
