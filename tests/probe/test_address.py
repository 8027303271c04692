import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import ConfigError
from striate.probe import UnitAddress

layers = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}(\.[A-Za-z0-9_]{1,6}){0,4}(#[1-9])?", fullmatch=True)


@given(layers, st.none() | st.integers(0, 4095), st.none() | st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_an_address_survives_being_written(layer: str, channel: int | None, position: tuple[int, int] | None) -> None:
    address = UnitAddress(layer, channel, position if channel is not None else None)
    assert UnitAddress.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", ":3", "a:", "a:x", "a@1,2", "a:3@1", "a:3@1,2,3", "a:-1", "a b", "a#0", "../x"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"'layer:channel@y,x'; got .* Example: 'features.3:17@4,5'"):
        UnitAddress.parse(text)
