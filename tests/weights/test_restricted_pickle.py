import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from striate.errors import WeightsError
from striate.weights.restricted_pickle import read_pinned_pickle


def read(tmp_path: Path, content: bytes) -> dict[str, list[Any]]:
    path = tmp_path / "arrays.pkl"
    path.write_bytes(content)
    return read_pinned_pickle(path, sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", ">f4", "int8", "int64"])
def test_arrays_come_back(tmp_path: Path, protocol: int, order: Any, dtype: str) -> None:
    kernel = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=dtype, order=order)
    bias = np.asarray([1, 2], dtype=dtype)
    found = read(tmp_path, pickle.dumps({"conv": [kernel, bias], "alone": bias}, protocol=protocol))
    np.testing.assert_array_equal(found["conv"][0], kernel)
    np.testing.assert_array_equal(found["conv"][1], bias)
    np.testing.assert_array_equal(found["alone"][0], bias)


def test_protocol_2_is_refused_because_it_spells_bytes_as_a_call(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"asks for _codecs\.encode"):
        read(tmp_path, pickle.dumps({"a": [np.ones(1)]}, protocol=2))


def test_numpy_1_spells_its_module_otherwise(tmp_path: Path) -> None:
    content = pickle.dumps({"a": [np.ones(3, np.float32)]}, protocol=3)
    old = content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert old != content
    np.testing.assert_array_equal(read(tmp_path, old)["a"][0], np.ones(3))


class Trap:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: {"a": [t]}, lambda t: {"a": [np.ones(1), t]}])
def test_a_malicious_pickle_is_refused_before_anything_runs(tmp_path: Path, wrap: Any) -> None:
    trace = tmp_path / "it-ran"
    content = pickle.dumps(wrap(Trap(os.mkdir, str(trace))), protocol=3)
    with pytest.raises(WeightsError, match=r"holds more than plain arrays: it asks for (posix|nt)\.mkdir"):
        read(tmp_path, content)
    assert not trace.exists()
    pickle.loads(content)
    assert trace.exists()  # so the trap was armed


@pytest.mark.parametrize(
    "trap",
    [
        Trap(eval, "1"),
        Trap(getattr, 1, "real"),
        Trap(np.load, "x"),
        Trap(np.fromfile, "x"),
        Trap(np.ndarray, (10**12,)),
        Trap(np.dtype, "O"),
        Trap(np.dtype, [("a", "f4")]),
        np.array([None, 1], dtype=object),
        np.array([(1, 2)], dtype=[("a", "f4"), ("b", "f4")]),
        np.array(["text"]),
        np.array([1 + 2j]),
        np.float32(1.0),
        np.ma.masked_array([1, 2]),
        np.datetime64("2020-01-01"),
    ],
    ids=lambda trap: type(trap).__name__ if not isinstance(trap, Trap) else trap.call.__name__,
)
def test_nothing_but_plain_arrays_of_numbers_is_refused(tmp_path: Path, trap: Any) -> None:
    with pytest.raises(WeightsError, match=r"holds (more|something else) than plain arrays"):
        read(tmp_path, pickle.dumps({"a": [trap]}, protocol=3))


@pytest.mark.parametrize("content", [{"a": "text"}, {1: [np.ones(1)]}, [np.ones(1)], {"a": [[np.ones(1)]]}])
def test_another_arrangement_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(WeightsError, match=r"(plain arrays under|not named arrays)"):
        read(tmp_path, pickle.dumps(content, protocol=3))


def test_a_lie_about_the_shape_is_refused(tmp_path: Path) -> None:
    content = pickle.dumps({"a": [np.arange(3, dtype=np.int8)]}, protocol=3)
    lied = content.replace(b"K\x03\x85", b"K\x09\x85")
    assert lied != content
    with pytest.raises(WeightsError, match=r"3 bytes for an array of shape \(9,\)"):
        read(tmp_path, lied)


def test_another_content_is_not_even_opened(tmp_path: Path) -> None:
    path = tmp_path / "arrays.pkl"
    path.write_bytes(pickle.dumps({"a": [np.ones(1)]}))
    with pytest.raises(WeightsError, match=r"is not the known file.*It was not opened"):
        read_pinned_pickle(path, sha256="0" * 64)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_pinned_pickle(tmp_path / "gone.pkl", sha256="0" * 64)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.booleans())
def test_damaged_bytes_are_an_error_or_arrays(tmp_path: Path, position: int, value: int, cut: bool) -> None:
    content = bytearray(pickle.dumps({"a": [np.arange(6, dtype=np.float32), np.ones(2)]}, protocol=3))
    position %= len(content)
    content[position] = value
    if cut:
        del content[position + 1 :]
    try:
        found = read(tmp_path, bytes(content))
    except WeightsError:
        return
    assert all(isinstance(array, np.ndarray) for arrays in found.values() for array in arrays)
