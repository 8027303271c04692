"""What is no setting at all is refused by name, in a sentence of ours."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from striate import arithmetic, ops
from striate.errors import ConfigError, ShapeError

X, W = torch.ones(1, 2, 8, 8), torch.ones(3, 2, 3, 3)
POOLED, PLACES = torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4, dtype=torch.int64)
SIZE = r"input_size must be the places along each axis, such as \(28, 28\), got 5\."
CEIL = r"ceil_mode must be True or False, got 'x'\."
COUNT = r"count_padding must be True or False, got None\."

CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: ops.lp_pool(X, 2, p="3"), ConfigError, r"p must be a finite number above 0, got '3'; for the limit"),
    (lambda: ops.lp_pool(X, 2, p=None), ConfigError, r"p must be a finite number above 0, got None"),
    (lambda: ops.lp_pool(X, 2, p=True), ConfigError, r"p must be a finite number above 0, got True"),
    (lambda: ops.lp_pool(X, 2, p=10**5000), ConfigError, r"p must be a finite number above 0, got one beyond 1e308"),
    (lambda: ops.global_pool(X, "lp", p=-1), ConfigError, r"p must be a finite number above 0, got -1\."),
    (lambda: ops.global_pool(X, 3), ConfigError, r"kind has no choice 3\. Known: 'max'"),
    (lambda: ops.lp_pool_adjoint(POOLED, X, kernel_size=2, p="3"), ConfigError, r"p must be a finite number above 0"),
    (
        lambda: ops.local_response_norm(X, 2**63),
        ConfigError,
        r"size must be at most 2147483647, got 9223372036854775808",
    ),
    (lambda: ops.local_response_norm(X, 10**5000), ConfigError, r"got one of about 5001 digits\."),
    (lambda: ops.local_response_norm(X, 3, alpha="1"), ConfigError, r"alpha must be a finite number, got '1'\."),
    (lambda: ops.local_response_norm(X, 3, k=float("nan")), ConfigError, r"k must be a finite number, got nan\."),
    (lambda: ops.max_pool(X, 2, ceil_mode="x"), ConfigError, CEIL),
    (lambda: ops.min_pool(X, 2, ceil_mode="x"), ConfigError, CEIL),
    (lambda: ops.average_pool(X, 2, ceil_mode="x"), ConfigError, CEIL),
    (lambda: ops.lp_pool(X, 2, ceil_mode="x"), ConfigError, CEIL),
    (lambda: arithmetic.pool_output_size(8, 2, ceil_mode="x"), ConfigError, CEIL),
    (lambda: arithmetic.trace_pooling(X[0].numpy(), 2, ceil_mode="x"), ConfigError, CEIL),
    (lambda: ops.average_pool(X, 2, count_padding=None), ConfigError, COUNT),
    (lambda: ops.average_pool(X, 2, padding=((1, 0), (0, 1)), count_padding=None), ConfigError, COUNT),
    (lambda: ops.average_pool_matrix(2, (8, 8), 2, count_padding=None), ConfigError, COUNT),
    (lambda: ops.average_pool_matrix("2", (8, 8), 2), ConfigError, r"channels must be a whole number of at least 1"),
    (lambda: ops.average_pool_matrix(2, 5, 2), ShapeError, SIZE),
    (lambda: ops.convolution_matrix(W, 5), ShapeError, SIZE),
    (lambda: ops.input_adjoint(torch.ones(1, 3, 6, 6), W, input_size=5), ShapeError, SIZE),
    (
        lambda: ops.input_adjoint(torch.ones(1, 3, 6, 6), W, input_size=(8, 8.0)),
        ConfigError,
        r"input_size must be a whole",
    ),
    (lambda: ops.transposed_input_adjoint(X, torch.ones(3, 2, 3, 3), input_size=5), ShapeError, SIZE),
    (lambda: ops.average_pool_adjoint(POOLED, input_size=5, kernel_size=2), ShapeError, SIZE),
    (lambda: ops.max_pool_adjoint(POOLED, PLACES, input_size=5), ShapeError, SIZE),
    (lambda: ops.max_pool_adjoint(POOLED, PLACES, input_size=(8,)), ShapeError, r"input_size must have 2 axes"),
    (lambda: ops.max_pool_adjoint(POOLED, PLACES, input_size=(8, -8)), ConfigError, r"input_size must be at least 1"),
    (
        lambda: ops.max_pool_adjoint(POOLED, PLACES + 64, input_size=(8, 8)),
        ShapeError,
        r"a map of 64 places, got 64 to 64",
    ),
    (lambda: ops.parse_kernel(3), ConfigError, r"kernel must be a text such as '1 0 -1; 1 0 -1; 1 0 -1', got 3\."),
    (lambda: ops.find_filter(None), ConfigError, r"filter must be a text such as 'gaussian:sigma=2', got None\."),
    (lambda: ops.filter_image(X, "sobel", border=3), ConfigError, r"border has no choice 3\. Known: 'zeros'"),
    (lambda: arithmetic.parse_layer(3), ConfigError, r"layer must be a text such as 'conv f=3 n=8', got 3\."),
    (lambda: arithmetic.parse_layers(["relu"]), ConfigError, r"layers must be a text such as .*, got \['relu'\]\."),
]


@pytest.mark.untyped
@pytest.mark.parametrize(("call", "error", "message"), CASES)
def test_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("size", [4, 5, 6, 7, 12, 31])
def test_a_response_window_wider_than_the_channels_is_torchs(size: int) -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    found = ops.local_response_norm(x, size, alpha=2.0, beta=0.6, k=1.5)
    torch.testing.assert_close(found, F.local_response_norm(x, size, 2.0, 0.6, 1.5))


def test_the_widest_response_window_needs_no_room() -> None:
    x = torch.ones(1, 2, 3)
    torch.testing.assert_close(ops.local_response_norm(x, 2**31 - 1), x)
