"""Every detector of the catalogue, held to the same promises; a new one is tested by being listed."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import striate
from striate.data import Labels, Preprocessing
from striate.detection.detector import BoxTargets, Detector
from striate.detection.finding import detect
from striate.detection.proposals import ProposalSettings
from striate.detection.rcnn import RCNN
from striate.errors import ConfigError
from striate.models import Network, create_model, find_entry, list_models
from striate.models.build import build
from striate.models.catalogue import CatalogueEntry, catalogue
from striate.weights import NativeMetadata, save_native

DETECTORS = list_models("detect")
LARGE = 20e6  # parameters from which one takes seconds to draw
TWINS = {"rcnn", "fast_rcnn"}  # the same code as a smaller one
LABELS = ("bar", "cup", "dot")
SLOW = {name for name in DETECTORS if find_entry(name).parameters > LARGE and name != "yolo_v1_tiny"} | TWINS
CASES = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in DETECTORS]
WINDOWS = ProposalSettings("sliding_windows", max_boxes=12, min_side_px=16)


def side_of(entry: CatalogueEntry) -> int:
    return max(entry.min_size, 64)


def options_of(entry: CatalogueEntry) -> dict[str, Any]:
    """Some detectors are built for one canvas."""
    return {"image_size": side_of(entry)} if "image_size" in entry.options else {}


def fresh(name: str) -> Detector:
    """With random weights."""
    torch.manual_seed(0)
    module = build(find_entry(name), num_classes=len(LABELS), options=options_of(find_entry(name)))
    assert isinstance(module, Detector)
    return module


def view_of(entry: CatalogueEntry) -> Preprocessing:
    side = side_of(entry)
    size = (side, side * 2) if entry.fit == "shorter" else (side, side)
    return Preprocessing(size, None, fit=entry.fit, mean=(0.5,) * 3, std=(0.25,) * 3)


def network_of(name: str, module: nn.Module) -> Network:
    return Network(name, module.eval(), view_of(find_entry(name)), Labels(LABELS))


def proposals_of(module: Detector, count: int, side: int) -> list[Tensor] | None:
    half = side / 2
    boxes = torch.tensor([[0, 0, half, half], [4, 2, half + 2, half - 2], [half, 3, side, side], [1, half, half, side]])
    return [boxes] * count if module.takes_proposals else None


def targets(side: int) -> list[BoxTargets]:
    """Two objects on the first picture, one that need not be found on the second, none on the third."""
    half = side / 2
    nothing = torch.zeros(0, dtype=torch.int64)
    return [
        BoxTargets(torch.tensor([[2.0, 2, half, half], [half, 4, side - 1, side]]), torch.tensor([0, 2]), NO[:2]),
        BoxTargets(torch.tensor([[4.0, 4, half, half]]), torch.tensor([1]), ~NO[:1]),
        BoxTargets(torch.zeros(0, 4), nothing, NO[:0]),
    ]


NO = torch.zeros(2, dtype=torch.bool)


@pytest.mark.parametrize("name", DETECTORS)
def test_the_entry_tells_the_truth(name: str) -> None:
    """Built without storage, so the large ones too."""
    entry = find_entry(name)
    with torch.device("meta"):
        module, other = build(entry), build(entry, num_classes=7)
    assert isinstance(module, Detector)
    assert sum(weight.numel() for weight in module.parameters()) == entry.parameters
    assert module.num_classes == entry.num_classes == 20
    assert other.num_classes == 7
    published = {key: value.shape for key, value in module.state_dict().items()}
    changed = {key for key, value in other.state_dict().items() if value.shape != published[key]}
    for last in entry.classifier:
        assert any(key == last or key.startswith(f"{last}.") for key in changed), last
    assert all(any(key == last or key.startswith(f"{last}.") for last in entry.classifier) for key in changed)
    assert published[f"{entry.first_conv}.weight"][1] == entry.input_size[0] == 3
    assert entry.fit in {"whole", "stretch", "shorter"}
    assert entry.min_size <= min(entry.input_size[1:])
    assert re.search(r"\b(19|20)\d\d\b", entry.paper)
    assert entry.options.get("backbone", "alexnet") in catalogue()


@pytest.mark.parametrize("name", CASES)
def test_one_step_gives_finite_losses_and_gradients(name: str) -> None:
    entry, side = find_entry(name), side_of(find_entry(name))
    module = fresh(name).train()
    images = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    sizes = [(side, side), (side // 2, side), (side, side)]
    given = proposals_of(module, 3, side)
    if isinstance(module, RCNN):
        with pytest.raises(ConfigError, match=r"R-CNN has no loss: .*one after another"):
            module(images, sizes, targets=targets(side), proposals=given)
        return
    losses = module(images, sizes, targets=targets(side), proposals=given)
    assert isinstance(losses, dict)
    assert all(value.shape == (3,) and value.isfinite().all() for value in losses.values())
    assert all((value >= 0).all() for value in losses.values())
    whole = torch.stack(list(losses.values())).sum(0)
    assert whole[0] > 0
    whole.mean().backward()  # type: ignore[no-untyped-call]
    frozen = set(getattr(module, "frozen_parameters", ()))
    for path, weight in module.named_parameters():
        if path in frozen or not weight.requires_grad:
            assert weight.grad is None or not weight.grad.any(), path
        else:
            assert weight.grad is not None, path
            assert weight.grad.isfinite().all(), path
    assert any(weight.grad is not None and weight.grad.any() for weight in module.parameters())
    assert entry.task == "detect"


@pytest.mark.parametrize("name", CASES)
def test_pictures_of_nothing(name: str) -> None:
    """No object, no proposal: losses stay numbers, and nothing is found that does not lie on the photo."""
    side = side_of(find_entry(name))
    module = fresh(name)
    empty = [targets(side)[2]] * 2
    images = torch.zeros(2, 3, side, side)
    given = [torch.zeros(0, 4)] * 2 if module.takes_proposals else None
    if not isinstance(module, RCNN):
        losses = module.train()(images, [(side, side)] * 2, targets=empty, proposals=given)
        assert isinstance(losses, dict)
        assert all(value.isfinite().all() for value in losses.values())
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        grads = [weight.grad for weight in module.parameters() if weight.grad is not None]
        assert all(grad.isfinite().all() for grad in grads)
    with torch.inference_mode():
        found = module.eval()(images, [(side, side), (side // 2, side)], proposals=given, score_threshold=0.0)
    for one, height in zip(found, (side, side // 2), strict=True):
        assert len(one.boxes) == len(one.scores) == len(one.classes)
        assert (one.boxes >= 0).all()
        assert (one.boxes <= torch.tensor([side, height, side, height])).all()
        if module.takes_proposals:
            assert not len(one.boxes)


@pytest.mark.parametrize("name", CASES)
def test_saved_and_loaded_it_finds_the_same(name: str, tmp_path: Path) -> None:
    module, entry = fresh(name), find_entry(name)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():  # what a fresh detector says is too even: let its answers differ
        for key, value in module.state_dict().items():
            if any(key == last or key.startswith(f"{last}.") for last in entry.classifier):
                value += torch.randn(value.shape, generator=generator) * 0.05
        if isinstance(module, RCNN):  # its regressors would throw every box off the photo
            module.box_weight.zero_()
            module.box_bias.zero_()
    before = network_of(name, module)
    metadata = NativeMetadata(
        architecture=name,
        variant=entry.variant,
        evidence="trained",
        preprocessing=before.preprocessing,
        labels=Labels(LABELS),
    )
    save_native(tmp_path / "best.safetensors", dict(module.state_dict()), metadata=metadata)
    after = striate.load(tmp_path)
    assert (after.name, tuple(after.labels), after.preprocessing) == (name, LABELS, before.preprocessing)
    photo = np.random.default_rng(3).integers(0, 256, (48, 80, 3), dtype=np.uint8)
    how = WINDOWS if module.takes_proposals else None
    [ours], [theirs] = (detect(network, photo, score=0.0, proposals=how) for network in (before, after))
    assert len(ours) > 0
    assert ours.scores is not None
    assert theirs.scores is not None
    np.testing.assert_array_equal(ours.boxes, theirs.boxes)
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    np.testing.assert_array_equal(ours.classes, theirs.classes)
    with pytest.raises(ConfigError, match=rf"'{name}' finds boxes .*striate\.detection\.detect, or `striate detect`"):
        after.classify(photo)


@pytest.mark.parametrize("name", ["faster_rcnn_squeezenet1_1", "yolo_squeezenet1_1", "rcnn_squeezenet1_1"])
def test_created_by_name_for_other_classes(name: str) -> None:
    module = create_model(name, num_classes=5)
    assert isinstance(module, Detector)
    assert module.num_classes == 5
    assert module.training


def test_another_canvas_and_classes_are_read_off_the_file(tmp_path: Path) -> None:
    """YOLO of 2016 has full layers: its canvas is part of its shape."""
    entry = find_entry("yolo_v1_tiny")
    module = build(entry, num_classes=2, options={"image_size": 128})
    view = replace(view_of(entry), input_size=(128, 128))
    said = NativeMetadata(entry.name, entry.variant, "trained", preprocessing=view, labels=Labels(("a", "b")))
    save_native(tmp_path / "tiny.safetensors", dict(module.state_dict()), metadata=said)
    network = striate.load(tmp_path / "tiny.safetensors")
    assert isinstance(network.module, Detector)
    assert network.module.num_classes == 2
    assert len(detect(network, np.zeros((60, 90, 3), np.uint8))) == 1


def test_the_battery_is_the_catalogue() -> None:
    assert len(DETECTORS) >= 19
    assert {entry.task for entry in catalogue().values()} == {"classify", "detect", "features"}
    quick = [case.values[0] for case in CASES if not case.marks]
    assert {"fast_rcnn_squeezenet1_1", "faster_rcnn", "rcnn_squeezenet1_1", "yolo", "yolo_v1_tiny"} <= set(quick)
