"""The notation of layers: what is written is read back, by table and by property; mistakes are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.arithmetic import (
    Activation,
    Branches,
    Convolution,
    Flatten,
    GlobalPooling,
    Layer,
    Linear,
    Pooling,
    parse_layer,
    parse_layers,
    write_layer,
)
from striate.errors import ConfigError, StriateError, UnknownNameError

RELU = Activation(function="relu")
TABLE = [
    ("conv f=7 s=2 p=3 n=64", Convolution(out_channels=64, kernel_size=7, stride=2, padding=3)),
    (
        "conv f=3x5 p=same d=2 n=8 g=4 b=no",
        Convolution(out_channels=8, kernel_size=(3, 5), padding="same", dilation=2, groups=4, bias=False),
    ),
    ("conv f=3 p=1,2 n=4", Convolution(out_channels=4, kernel_size=3, padding=((1, 2),))),
    ("conv f=3 p=1,2x0 n=4", Convolution(out_channels=4, kernel_size=3, padding=((1, 2), 0))),
    ("conv f=1 n=c", Convolution(out_channels=None, kernel_size=1)),
    ("depthwise f=3 p=1", Convolution(out_channels=None, groups=None, kernel_size=3, padding=1)),
    ("depthwise f=3 n=32", Convolution(out_channels=32, groups=None, kernel_size=3)),
    ("deconv f=4 s=2 p=1 n=8", Convolution(out_channels=8, kernel_size=4, stride=2, padding=1, transposed=True)),
    (
        "deconv f=3 s=2 q=1 n=c g=c",
        Convolution(out_channels=None, groups=None, kernel_size=3, stride=2, output_padding=1, transposed=True),
    ),
    ("maxpool f=3 s=2 p=1 ceil", Pooling(kind="max", kernel_size=3, stride=2, padding=1, ceil_mode=True)),
    ("minpool f=2x3 d=2", Pooling(kind="min", kernel_size=(2, 3), dilation=2)),
    ("avgpool f=2", Pooling(kind="average", kernel_size=2)),
    ("lppool f=2 s=1", Pooling(kind="lp", kernel_size=2, stride=1)),
    ("globalavgpool", GlobalPooling(kind="average")),
    ("globalmaxpool", GlobalPooling(kind="max")),
    ("relu", RELU),
    ("tanh", Activation(function="tanh")),
    ("flatten", Flatten()),
    ("fc n=10 b=no", Linear(out_features=10, bias=False)),
    ("add(relu; flatten | )", Branches(paths=((RELU, Flatten()), ()), join="add")),
    (
        "concat(relu | add( | relu; relu) | )",
        Branches(paths=((RELU,), (Branches(paths=((), (RELU, RELU)), join="add"),), ()), join="concat"),
    ),
]


@pytest.mark.parametrize(("text", "layer"), TABLE, ids=[text for text, _ in TABLE])
def test_written_and_read(text: str, layer: Layer) -> None:
    assert parse_layer(text) == layer
    assert write_layer(layer) == text


@pytest.mark.parametrize(
    ("loose", "text"),
    [
        ("  CONV   f = 3   n=8 ", "conv f=3 n=8"),
        (
            "conv kernel_size=3 stride=2 padding=1 dilation=2 groups=2 out_channels=8 bias=false",
            "conv f=3 s=2 p=1 d=2 n=8 g=2 b=no",
        ),
        ("conv n=8 f=3×5", "conv f=3x5 n=8"),
        ("conv f=3 n=8 p=1 , 2 b=yes g=1 s=1", "conv f=3 p=1,2 n=8"),
        ("maxpool f=2 ceil_mode=yes", "maxpool f=2 ceil"),
        ("maxpool f=2 ceil=no", "maxpool f=2"),
        ("conv f=3 n=c g=c", "depthwise f=3"),
        ("depthwise f=3 n=c", "depthwise f=3"),
        ("fc out_features=3", "fc n=3"),
        ("Add ( relu|)", "add(relu | )"),
    ],
)
def test_loose_writing_is_read(loose: str, text: str) -> None:
    assert write_layer(parse_layer(loose)) == text


def test_sequences() -> None:
    assert parse_layers("relu; add(relu; relu | );flatten;") == (
        RELU,
        Branches(paths=((RELU, RELU), ()), join="add"),
        Flatten(),
    )
    assert parse_layers("") == ()


AXES = st.integers(1, 99) | st.tuples(st.integers(1, 9), st.integers(1, 9))
SIDE = st.integers(0, 9) | st.tuples(st.integers(0, 9), st.integers(0, 9))
NUMBERS = st.integers(0, 9) | st.tuples(SIDE) | st.tuples(SIDE, SIDE)
PADDINGS = NUMBERS | st.sampled_from(["valid", "same", "same_lower", "full"])
CHANNELS = st.none() | st.integers(1, 4096)
LEAVES = (
    st.builds(
        Convolution,
        out_channels=CHANNELS,
        kernel_size=AXES,
        stride=AXES,
        padding=PADDINGS,
        dilation=AXES,
        groups=CHANNELS,
        bias=st.booleans(),
    )
    | st.builds(
        Convolution,
        out_channels=CHANNELS,
        kernel_size=AXES,
        stride=AXES,
        padding=NUMBERS,
        dilation=AXES,
        groups=CHANNELS,
        bias=st.booleans(),
        transposed=st.just(True),
        output_padding=st.integers(0, 3),
    )
    | st.builds(
        Pooling,
        kind=st.sampled_from(["max", "min", "average", "lp"]),
        kernel_size=AXES,
        stride=st.none() | AXES,
        padding=PADDINGS,
        dilation=AXES,
        ceil_mode=st.booleans(),
    )
    | st.builds(GlobalPooling, kind=st.sampled_from(["max", "min", "average", "lp"]))
    | st.builds(Activation, function=st.sampled_from(["relu", "sigmoid", "tanh"]))
    | st.just(Flatten())
    | st.builds(Linear, out_features=st.integers(1, 10**12), bias=st.booleans())
)
LAYERS = st.recursive(
    LEAVES,
    lambda inside: st.builds(
        Branches,
        paths=st.lists(st.lists(inside, max_size=3).map(tuple), min_size=2, max_size=3).map(tuple),
        join=st.sampled_from(["add", "concat"]),
    ),
    max_leaves=6,
)


# The run-time check of types looks at random items of a tuple.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@given(LAYERS)
def test_every_layer_is_read_back(layer: Layer) -> None:
    assert parse_layer(write_layer(layer)) == layer


@given(st.text(alphabet="convmaxpldgfrelu =0123x,();|sbn.?-\n", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        layers = parse_layers(text)
    except StriateError:
        return  # and not another exception
    assert parse_layers("; ".join(map(write_layer, layers))) == layers


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("convv f=3", UnknownNameError, r"No layer named 'convv'\. Nearest: 'conv'"),
        ("conv f=3 n=8 k=2", UnknownNameError, r"conv has no setting 'k', as in 'conv f=3 n=8 k=2'\. Known: 'f'"),
        ("conv f=3 n=8 paddin=2", UnknownNameError, r"no setting 'paddin'.*Nearest: 'padding'"),
        ("conv f=3 n=8 q=1", UnknownNameError, r"conv has no setting 'q'"),
        ("relu f=3", UnknownNameError, r"relu has no setting 'f', as in 'relu f=3'\. It has none\."),
        ("conv f=3", ConfigError, r"conv needs n, the number of filters or features, such as n=64; got 'conv f=3'"),
        ("conv n=3", ConfigError, r"conv needs f, the size of the window"),
        ("maxpool", ConfigError, r"maxpool needs f"),
        ("fc", ConfigError, r"fc needs n"),
        ("conv f=3 f=5 n=1", ConfigError, r"f is given twice in 'conv f=3 f=5 n=1'"),
        ("conv f=3 kernel_size=5 n=1", ConfigError, r"kernel_size is given twice"),
        ("conv f=3 n=8 bias", ConfigError, r"bias needs a value"),
        ("conv n=8 f=", ConfigError, r"f must be a whole number, or one an axis such as 3x5, got ''"),
        ("conv f=3.5 n=8", ConfigError, r"got '3\.5'"),
        ("conv f=-3 n=8", ConfigError, r"f must be .* such as 3x5, not a negative one, got '-3'\.$"),
        ("conv f=3 n=?", ConfigError, r"n must be a whole number, got '\?'"),
        ("conv f=٣ n=8", ConfigError, r"f must be a whole number"),
        ("conv f=0 n=8", ConfigError, r"kernel_size must be at least 1, got 0"),
        (
            f"conv f={'9' * 5000} n=8",
            ConfigError,
            r"f must be a whole number, .* of 18 digits at most, got one of 5000\.$",
        ),
        (f"conv f=3 n={'9' * 19}", ConfigError, r"n must be a whole number, of 18 digits at most, got one of 19\.$"),
        ("conv f=3 n=8 p=1,2,3", ConfigError, r"p must be a number per side such as 1, before and after such as 1,2"),
        ("conv f=3 n=8 p=samee", ConfigError, r"or one of valid, same, same_lower, full; got 'samee'"),
        ("conv f=3 n=8 b=maybe", ConfigError, r"b must be yes or no, got 'maybe'"),
        ("deconv f=3 n=8 p=same", ConfigError, r"padding of a transposed convolution must be a number"),
        ("", ConfigError, r"One layer must be given, such as 'conv f=3 n=8', got ''"),
        ("relu; relu", ConfigError, r"One layer must be given"),
        ("add(relu)", ConfigError, r"paths must be at least 2, got 1"),
        ("add(relu | ", ConfigError, r"Brackets must match"),
        ("relu)", ConfigError, r"Brackets must match"),
        ("add(relu | ) relu", ConfigError, r"Branches must end with their bracket"),
        ("add(" * 40 + "relu | )" * 40, ConfigError, r"Branches may lie at most 32 deep"),
        ("multiply(relu | )", UnknownNameError, r"No branches named 'multiply'"),
    ],
)
def test_refusals_name_the_setting(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_layer(text)
