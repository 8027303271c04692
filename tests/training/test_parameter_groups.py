"""Which weights learn and how fast: on every network of the catalogue, and number by number on small ones."""

from typing import Any

import pytest
import torch
from torch import nn

from striate.errors import ConfigError, UnknownNameError
from striate.models import create_model, find_entry, list_models
from striate.training.parameter_groups import Stage, freeze, keep_frozen_still, parameter_groups, stages_of
from tests.training.small import small_net

FEW = ["alexnet", "googlenet", "lenet5", "resnet20", "se_resnet50", "squeezenet1_1", "vgg11_bn", "efficientnet_lite0"]


def on_meta(name: str) -> tuple[nn.Module, list[Stage]]:
    with torch.device("meta"):
        module = create_model(name, num_classes=7)
    return module, stages_of(module, classifier=find_entry(name).classifier)


# R-CNN is not learned by one loss: what answers are machines and regressors, which no optimizer sees.
BY_STEPS = [name for name in list_models() if find_entry(name).classifier and not name.startswith("rcnn")]


@pytest.mark.parametrize("name", BY_STEPS)
def test_every_weight_is_in_one_stage_and_the_classifier_comes_last(name: str) -> None:
    module, stages = on_meta(name)
    listed = [parameter for stage in stages for parameter in stage.parameters]
    assert sorted(listed) == sorted(parameter for parameter, _ in module.named_parameters())
    assert len(stages) >= (1 if find_entry(name).task == "detect" else 3)
    kinds = [stage.is_classifier for stage in stages]
    assert kinds == sorted(kinds)
    assert any(kinds) == (name != "lenet5")  # the codes that it answers with are fixed
    last = {parameter for stage in stages if stage.is_classifier for parameter in stage.parameters}
    heads = find_entry(name).classifier
    assert all(any(parameter.startswith(f"{head}.") for parameter in last) for head in heads if any(kinds))


@pytest.mark.parametrize("name", FEW)
def test_every_learning_weight_is_in_one_group_and_biases_are_not_decayed(name: str) -> None:
    module, stages = on_meta(name)
    groups = parameter_groups(module, stages, weight_decay=0.01, layer_decay=0.8)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    assert sorted(grouped) == sorted(map(id, learning))
    for group in groups:
        for parameter in group["params"]:
            assert (group["weight_decay"] == 0.0) == (parameter.ndim <= 1)
    norms = [p for part in module.modules() if isinstance(part, nn.BatchNorm2d) for p in part.parameters()]
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    assert not decayed & set(map(id, norms))


def scale_of(module: nn.Module, groups: list[dict[str, Any]], name: str) -> float:
    wanted = module.get_parameter(name)
    return next(group["scale"] for group in groups if any(p is wanted for p in group["params"]))


def test_rates_fall_from_stage_to_stage_towards_the_picture() -> None:
    module = small_net()
    stages = stages_of(module, classifier=("head",))
    groups = parameter_groups(module, stages, weight_decay=0.1, layer_decay=0.5)
    names = ["conv1.weight", "norm1.weight", "conv2.weight", "norm2.bias", "head.weight"]
    assert [scale_of(module, groups, name) for name in names] == [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0]


def test_the_blocks_of_a_resnet_are_stages_and_rates_follow_their_depth() -> None:
    module, stages = on_meta("resnet18")
    names = [stage.name for stage in stages]
    assert names == ["conv1", "bn1", *(f"layer{i}.{j}" for i in range(1, 5) for j in range(2)), "fc"]
    groups = parameter_groups(module, stages, weight_decay=0, layer_decay=0.9)
    assert scale_of(module, groups, "layer4.1.conv1.weight") == pytest.approx(0.9)
    assert scale_of(module, groups, "layer1.0.conv1.weight") == pytest.approx(0.9**8)


def learning(module: nn.Module) -> set[str]:
    return {name.rsplit(".", 1)[0] for name, parameter in module.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("until", "left"),
    [
        ("none", {"conv1", "norm1", "conv2", "norm2", "head"}),
        ("trunk", {"head"}),
        ("conv1", {"norm1", "conv2", "norm2", "head"}),
        ("relu1", {"conv2", "norm2", "head"}),  # a layer without weights stands for those before it
        ("norm2", {"head"}),
    ],
)
def test_what_is_frozen(until: str, left: set[str]) -> None:
    module = small_net()
    freeze(module, stages_of(module, classifier=("head",)), until)
    assert learning(module) == left


@pytest.mark.parametrize(
    ("until", "last"), [("layer2", "layer2.1"), ("layer2.0", "layer2.0"), ("layer2.0.bn1", "layer2.0")]
)
def test_groups_of_layers_and_layers_inside_of_a_stage_have_names_too(until: str, last: str) -> None:
    module, stages = on_meta("resnet18")
    assert freeze(module, stages, until)[-1] == last


def test_all_heads_of_googlenet_learn_when_its_trunk_is_frozen() -> None:
    module, stages = on_meta("googlenet")
    freeze(module, stages, "trunk")
    tops = {name.split(".")[0] for name, parameter in module.named_parameters() if parameter.requires_grad}
    assert tops == {"fc", "aux1", "aux2"}


def test_freezing_again_opens_what_was_frozen() -> None:
    module = small_net()
    stages = stages_of(module, classifier=("head",))
    freeze(module, stages, "trunk")
    freeze(module, stages, "none")
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_statistics_of_frozen_normalizations_stay() -> None:
    module = small_net(dropout=0.5)
    freeze(module, stages_of(module, classifier=("head",)), "norm1")
    module.train()
    keep_frozen_still(module)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module(torch.randn(6, 1, 8, 8))
    after = module.state_dict()
    assert torch.equal(after["norm1.running_mean"], before["norm1.running_mean"])
    assert torch.equal(after["norm1.num_batches_tracked"], before["norm1.num_batches_tracked"])
    assert not torch.equal(after["norm2.running_mean"], before["norm2.running_mean"])
    assert module.get_submodule("drop").training


def test_refused_a_layer_that_does_not_exist() -> None:
    module = small_net()
    stages = stages_of(module, classifier=("head",))
    with pytest.raises(UnknownNameError, match=r"No layer named 'covn1' to freeze. Nearest: 'conv1'"):
        freeze(module, stages, "covn1")


def test_refused_to_freeze_everything() -> None:
    module = small_net()
    stages = stages_of(module, classifier=("head",))
    with pytest.raises(ConfigError, match=r"freeze 'head' .* leaves nothing to learn"):
        freeze(module, stages, "head")


def test_refused_to_train_only_a_classifier_that_has_no_weights() -> None:
    module, stages = on_meta("lenet5")
    with pytest.raises(ConfigError, match="leaves nothing to learn; name a layer"):
        freeze(module, stages, "trunk")
