"""Plain gradient, guided back-propagation and deconvnet: against captum where it is right, by hand where it is not."""

import itertools
import threading
import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.insight import InputGradient, deconvnet, guided_backprop, input_gradient, saliency
from tests.insight.gradient_networks import SharedTwice, Simple, TwoReaders

METHODS = {"plain": input_gradient, "guided": guided_backprop, "deconvnet": deconvnet}
CAPTUM = {
    "plain": ("InputXGradient", "NeuronGradient"),
    "guided": ("GuidedBackprop", "NeuronGuidedBackprop"),
    "deconvnet": ("Deconvolution", "NeuronDeconvolution"),
}
PHOTOS = torch.randn(3, 3, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def by_captum(rule: str, net: nn.Module, x: Tensor, target: int) -> Tensor:
    attr = pytest.importorskip("captum.attr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if rule == "plain":
            return attr.Saliency(net).attribute(x.clone(), target=target, abs=False)
        return getattr(attr, CAPTUM[rule][0])(net).attribute(x.clone(), target=target)


@pytest.mark.parametrize("rule", METHODS)
def test_classes_equal_captum_on_a_network_that_it_can_do(rule: str) -> None:
    net = Simple().eval()
    for target in range(3):
        got = METHODS[rule](net, PHOTOS, target=target)
        theirs = by_captum(rule, net, PHOTOS, target).detach().numpy()
        assert np.abs(theirs).max() > 1e-5
        np.testing.assert_allclose(got.values, theirs, atol=1e-12)


@pytest.mark.parametrize("rule", METHODS)
@pytest.mark.parametrize("layer", ["conv1", "relu1", "pool", "norm", "relu2", "conv3"])
def test_units_equal_captum(rule: str, layer: str) -> None:
    attr = pytest.importorskip("captum.attr")
    net = Simple().eval()
    theirs = getattr(attr, CAPTUM[rule][1])(net, net.get_submodule(layer))
    for place in [(0, 0, 0), (2, 1, 2), (3, 2, 1)]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = theirs.attribute(PHOTOS.clone(), neuron_selector=place).detach().numpy()
        c, y, x = place
        got = METHODS[rule](net, PHOTOS, target=f"{layer}:{c}@{y},{x}")
        np.testing.assert_allclose(got.values, wanted, atol=1e-12)


@pytest.mark.parametrize("rule", METHODS)
def test_a_functional_rectifier_whose_input_is_read_twice_is_right_where_captum_is_wrong(rule: str) -> None:
    """captum sees no functional rectifier; and with a module it applies the rule to the sum of both ways back."""
    x = PHOTOS[:1]
    functional, module = TwoReaders(F.relu).eval(), TwoReaders(nn.ReLU()).eval()
    wanted = functional.by_hand(x, 1, rule)
    for net in (functional, module, TwoReaders(lambda z: z.clone().relu_()).eval()):
        np.testing.assert_allclose(METHODS[rule](net, x, target=1).values, wanted.numpy(), atol=1e-14)
    size = float(wanted.abs().max())
    for net in (functional, module):
        error = float((by_captum(rule, net, x, 1).detach() - wanted).abs().max())
        assert error < 1e-14 if rule == "plain" else error > 0.1 * size


ACTIVATIONS: dict[str, tuple[Any, float, float]] = {
    "ReLU": (nn.ReLU(), 0, torch.inf),
    "ReLU-inplace": (nn.ReLU(inplace=True), 0, torch.inf),
    "ReLU6": (nn.Hardtanh(0, 0.3), 0, 0.3),
    "ReLU6-inplace": (nn.Hardtanh(0, 0.3, inplace=True), 0, 0.3),
    "LeakyReLU": (nn.LeakyReLU(0.2), 0.2, torch.inf),
    "LeakyReLU-inplace": (nn.LeakyReLU(0.2, inplace=True), 0.2, torch.inf),
    "PReLU": (nn.PReLU(init=0.25), 0.25, torch.inf),
}


@pytest.mark.parametrize("rule", METHODS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_shared_activation_and_a_shared_convolution(name: str, rule: str) -> None:
    act, slope, top = ACTIVATIONS[name]
    net = SharedTwice(act, slope, top).eval()
    got = METHODS[rule](net, PHOTOS[:1], target=2).values
    np.testing.assert_allclose(got, net.by_hand(PHOTOS[:1], 2, rule).numpy(), atol=1e-14)


@pytest.mark.parametrize("rule", METHODS)
def test_an_activation_whose_input_is_read_twice(rule: str) -> None:
    for act, slope, top in [
        (lambda z: F.hardtanh(z, 0.0, 0.3), 0, 0.3),
        (lambda z: F.leaky_relu(z, 0.2), 0.2, torch.inf),
    ]:
        net = TwoReaders(act, slope, top).eval()
        got = METHODS[rule](net, PHOTOS[:1], target=0).values
        np.testing.assert_allclose(got, net.by_hand(PHOTOS[:1], 0, rule).numpy(), atol=1e-14)


@pytest.mark.parametrize("rule", METHODS)
def test_many_targets_of_one_picture_are_those_one_by_one(rule: str) -> None:
    net = Simple().eval()
    asked = [2, "relu1:3@4,5", None, "pool:1", "conv3:2@0,1"]
    together = METHODS[rule](net, PHOTOS[:1], target=asked)
    apart = [METHODS[rule](net, PHOTOS[:1], target=[one]) for one in asked]
    assert together.values.shape == (5, 3, 12, 12)
    np.testing.assert_allclose(together.values, np.concatenate([a.values for a in apart]), atol=1e-14)
    assert together.target == tuple(a.target[0] for a in apart)
    np.testing.assert_allclose(together.scores, np.concatenate([a.scores for a in apart]), atol=1e-14)


@pytest.mark.parametrize("rule", METHODS)
def test_a_batch_is_its_pictures_one_by_one_in_any_parts(rule: str) -> None:
    net, x = Simple().eval(), PHOTOS.repeat(4, 1, 1, 1) * torch.linspace(0.5, 2, 12).view(-1, 1, 1, 1)
    asked = [0, "conv2:1"] * 6
    whole = METHODS[rule](net, x, target=asked)
    parts = METHODS[rule](net, x, target=asked, batch_size=5)
    apart = [METHODS[rule](net, x[n : n + 1], target=asked[n]) for n in range(12)]
    np.testing.assert_allclose(whole.values, parts.values, atol=1e-14)
    np.testing.assert_allclose(whole.values, np.concatenate([a.values for a in apart]), atol=1e-14)
    assert whole.target == parts.target == tuple(a.target[0] for a in apart)
    assert {**whole.parameters} == {**parts.parameters}


def test_the_pass_stops_at_the_units_layer() -> None:
    class Watched(Simple):
        called = 0

        def forward(self, x: Tensor) -> Tensor:
            x = self.pool(self.relu1(self.conv1(x)))
            type(self).called += 1
            return x

    net = Watched().eval()
    for method in METHODS.values():
        method(net, PHOTOS, target="relu1:0")
        method(net, PHOTOS[:1], target=["relu1:0", "conv1:2@0,0"])
    # `pool` comes behind `relu1`: the pass has ended there.
    assert Watched.called == 0


def test_no_gradient_of_a_weight_is_computed() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    masks: list[list[bool]] = []

    class Convolutions(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func._schema.name == "aten::convolution_backward":
                masks.append(list(args[-1]))
            return func(*args, **(kwargs or {}))

    for method in METHODS.values():
        with Convolutions():
            method(Simple(), PHOTOS, target=0)
    assert masks
    assert all(mask == [True, False, False] for mask in masks)


def state_of(net: nn.Module) -> list[Any]:
    parts = [
        (m.training, len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in net.modules()
    ]
    weights = [(id(p), p.requires_grad, p.grad is None, p._version, p.data_ptr()) for p in net.parameters()]
    return [*parts, *weights, *((b.clone().tolist(), b._version) for b in net.buffers())]


@pytest.mark.parametrize("rule", METHODS)
def test_nothing_is_left_behind_also_after_an_error(rule: str) -> None:
    class Broken(Simple):
        broken = False

        def forward(self, x: Tensor) -> Tensor:
            out = super().forward(x)
            if self.broken:
                raise RuntimeError("in the middle")
            return out

    net, x = Broken().train(), PHOTOS.clone()
    net.norm.eval()
    net.conv1.weight.requires_grad_(False)
    before = state_of(net)
    first = METHODS[rule](net, x, target=1).values
    assert state_of(net) == before
    for bad in [{"target": 9}, {"target": "conv1:99"}, {"target": "conv1"}]:
        with pytest.raises(ConfigError):
            METHODS[rule](net, x, **bad)
    net.broken = True
    with pytest.raises(RuntimeError, match="in the middle"):
        METHODS[rule](net, x, target=1)
    net.broken = False
    assert state_of(net) == before
    # The second call is the first again, not a sum; another class is another map.
    np.testing.assert_array_equal(METHODS[rule](net, x, target=1).values, first)
    assert np.abs(METHODS[rule](net, x, target=0).values - first).max() > 0.1 * np.abs(first).max()
    assert torch.equal(x, PHOTOS)
    assert not x.requires_grad
    assert torch.is_grad_enabled()
    out = net(x).sum()
    out.backward()  # training goes on as ever
    assert net.conv2.weight.grad is not None


@pytest.mark.parametrize("rule", METHODS)
def test_an_in_place_network_with_hooks_of_its_owner(rule: str) -> None:
    """Module backward hooks and in-place rectifiers do not go together elsewhere: nothing here sets a hook."""
    net = SharedTwice(nn.ReLU(inplace=True)).eval()
    seen: list[str] = []
    net.act.register_forward_hook(lambda *_: seen.append("forward"))
    got = METHODS[rule](net, PHOTOS[:1], target=0).values
    np.testing.assert_allclose(got, net.by_hand(PHOTOS[:1], 0, rule).numpy(), atol=1e-14)
    assert seen == ["forward"] * 3


@pytest.mark.parametrize("rule", METHODS)
def test_inside_of_no_grad_and_inference_mode(rule: str) -> None:
    net = Simple()
    wanted = METHODS[rule](net, PHOTOS, target=0).values
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            np.testing.assert_array_equal(METHODS[rule](net, PHOTOS, target=0).values, wanted)
            np.testing.assert_array_equal(
                METHODS[rule](net, PHOTOS.clone(), target="conv2:1@0,0").values.shape, PHOTOS.shape
            )


@pytest.mark.parametrize("rule", METHODS)
def test_a_network_that_was_made_in_inference_mode(rule: str) -> None:
    wanted = METHODS[rule](Simple(), PHOTOS, target=0).values
    with torch.inference_mode():
        net = Simple()
    np.testing.assert_array_equal(METHODS[rule](net, PHOTOS, target=0).values, wanted)


@pytest.mark.parametrize("rule", METHODS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_other_precisions(rule: str, dtype: torch.dtype) -> None:
    wanted = METHODS[rule](Simple(), PHOTOS, target=0).values
    got = METHODS[rule](Simple().to(dtype), PHOTOS.to(dtype), target=0).values
    assert got.dtype == np.float32
    assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > (0.99 if dtype == torch.bfloat16 else 0.999999)


@pytest.mark.compile
@pytest.mark.parametrize("rule", METHODS)
def test_compiled_networks_run_eagerly(rule: str) -> None:
    wanted = METHODS[rule](Simple(), PHOTOS[:1], target=0).values
    inside, outside = Simple().eval(), torch.compile(Simple().eval(), backend="eager")
    inside.compile(backend="eager")
    for net, prefix in ((inside, ""), (outside, "_orig_mod.")):
        net(PHOTOS[:1])
        np.testing.assert_array_equal(METHODS[rule](net, PHOTOS[:1], target=0).values, wanted)
        unit = METHODS[rule](net, PHOTOS[:1], target=f"{prefix}conv2:1@0,0").values
        np.testing.assert_array_equal(unit, METHODS[rule](Simple(), PHOTOS[:1], target="conv2:1@0,0").values)


@pytest.mark.parametrize("rule", METHODS)
def test_checkpointed_parts(rule: str) -> None:
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(Simple):
        def forward(self, x: Tensor) -> Tensor:
            x = checkpoint(lambda t: self.pool(self.relu1(self.conv1(t))), x, use_reentrant=False)
            x = self.relu2(self.norm(self.conv2(x)))
            return self.fc(self.relu3(self.conv3(x)).mean((2, 3)))

    wanted = METHODS[rule](Simple(), PHOTOS, target=0)
    got = METHODS[rule](Checkpointed(), PHOTOS, target=0)
    np.testing.assert_allclose(got.values, wanted.values, atol=1e-14)
    assert got.parameters == wanted.parameters


@pytest.mark.parametrize("rule", METHODS)
def test_two_threads_with_one_network(rule: str) -> None:
    net = Simple().eval()
    wanted = [METHODS[rule](net, PHOTOS, target=k).values for k in range(3)]
    answers: dict[int, np.ndarray] = {}

    def work(k: int) -> None:
        for _ in range(5):
            answers[k] = METHODS[rule](net, PHOTOS, target=k).values

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(3):
        np.testing.assert_array_equal(answers[k], wanted[k])


def test_memory_does_not_grow() -> None:
    import gc

    net = Simple().eval()

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    for method in METHODS.values():
        method(net, PHOTOS, target=0)
        before = tensors()
        for _ in range(3):
            method(net, PHOTOS, target=0)
            method(net, PHOTOS[:1], target=["conv1:0", 1, 2])
        assert tensors() <= before


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_masks_and_smooth_activations_are_refused_where_plain_gradients_are_not(rule: str) -> None:
    clamped, smooth = TwoReaders(lambda z: z.clamp(min=0)).eval(), TwoReaders(F.silu).eval()
    with pytest.raises(ConfigError, match=r"masks its values with 'clamp'.*insight.input_gradient"):
        METHODS[rule](clamped, PHOTOS, target=0)
    with pytest.raises(ConfigError, match="smooth activation 'silu'"):
        METHODS[rule](smooth, PHOTOS, target=0)
    assert np.isfinite(input_gradient(clamped, PHOTOS, target=0).values).all()
    plain = input_gradient(smooth, PHOTOS, target=0).values
    as_plain = METHODS[rule](smooth, PHOTOS, target=0, smooth="plain")
    np.testing.assert_array_equal(as_plain.values, plain)
    assert as_plain.parameters["derivatives"] == {"silu": 1}
    assert (
        np.abs(METHODS[rule](smooth, PHOTOS, target=0, smooth="rectify").values - plain).max()
        > 0.1 * np.abs(plain).max()
    )


def test_a_mask_behind_the_unit_is_no_reason_to_refuse() -> None:
    class Late(Simple):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).clamp(min=0)

    assert guided_backprop(Late(), PHOTOS, target="conv3:0").values.any()
    with pytest.raises(ConfigError, match="clamp"):
        guided_backprop(Late(), PHOTOS, target=0)


def test_an_answer_without_a_gradient_is_refused_and_a_constant_gives_zeros() -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x.detach().mean((2, 3)))

    class Constant(Detached):
        def forward(self, x: Tensor) -> Tensor:
            return self.fc(torch.ones(len(x), 3))

    for method in METHODS.values():
        with pytest.raises(ConfigError, match="scores without a gradient to its input"):
            method(Detached(), torch.randn(1, 3, 4, 4), target=0)
        assert method(Constant(), torch.randn(2, 3, 4, 4), target=0).values.shape == (2, 3, 4, 4)
        assert not method(Constant(), torch.randn(1, 3, 4, 4), target=[0, 1]).values.any()


def test_saliency_is_the_size_of_the_gradient_also_of_units() -> None:
    net = Simple().eval()
    gradient = input_gradient(net, PHOTOS, target="conv2:1")
    found = saliency(net, PHOTOS, target="conv2:1")
    np.testing.assert_array_equal(found.values, np.abs(gradient.values).max(1))
    assert found.target == gradient.target
    assert found.unit == "|d activation / d input|"
    assert found.parameters["position"] == gradient.parameters["position"]
    many = saliency(net, PHOTOS[:1], target=[0, 1, "conv1:0"])
    assert many.values.shape == (3, 12, 12)
    assert saliency(net, PHOTOS).unit == "|d logit / d input|"


def test_refused_batch_size() -> None:
    with pytest.raises(ConfigError, match="batch_size must be at least 1; got 0"):
        guided_backprop(Simple(), PHOTOS, batch_size=0)


@pytest.mark.gpu
def test_rules_hold_on_a_gpu() -> None:
    for rule, method in METHODS.items():
        wanted = method(Simple(), PHOTOS, target=0).values
        got = method(Simple().cuda(), PHOTOS.cuda(), target=0).values
        np.testing.assert_allclose(got, wanted, atol=1e-10, err_msg=rule)


@pytest.mark.parametrize("rule", METHODS)
def test_the_default_network(rule: str) -> None:
    import striate

    network = striate.load("efficientnet_lite0")
    photo = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    units = [f"blocks.2.0.conv_pw:{c}" for c in range(3)]
    got = METHODS[rule](network, photo, target=[*units, "coffee mug"])
    assert isinstance(got, InputGradient)
    assert got.values.shape == (4, 3, 224, 224)
    assert got.target[3] == 504
    if rule != "plain":
        assert got.parameters["rectifiers"] == {"hardtanh": 33}
    double = METHODS[rule](network.module.double(), network.preprocess(photo).double(), target=[*got.target])
    np.testing.assert_allclose(got.values, double.values, atol=2e-4 * np.abs(double.values).max())
    network.module.float()


def test_pairs_of_results_differ() -> None:
    """Three methods, three maps: a rule that is silently not applied would make two equal."""
    maps = [method(Simple(), PHOTOS, target=0).values for method in METHODS.values()]
    for one, other in itertools.combinations(maps, 2):
        assert np.abs(one - other).max() > 0.1 * np.abs(one).max()
