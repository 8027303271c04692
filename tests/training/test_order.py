"""Every picture once an epoch, in batches of nearly equal size, in an order that seed and epoch decide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import ConfigError
from striate.training.order import count_batches, epoch_batches, share_of

counts = st.integers(1, 500)
sizes = st.integers(1, 70)
seeds = st.integers(0, 2**63 - 1)


@given(counts, sizes, seeds, st.integers(0, 1000))
def test_all_pictures_once_in_equal_batches(pictures: int, batch_size: int, seed: int, epoch: int) -> None:
    batches = epoch_batches(pictures, batch_size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(pictures))
    lengths = [len(batch) for batch in batches]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= batch_size
    assert len(batches) == count_batches(pictures, batch_size)
    assert all(batch.dtype == np.int64 for batch in batches)


@given(counts, sizes, seeds)
def test_the_same_seed_and_epoch_give_the_same_order(pictures: int, batch_size: int, seed: int) -> None:
    first = np.concatenate(epoch_batches(pictures, batch_size, seed=seed, epoch=3))
    again = np.concatenate(epoch_batches(pictures, batch_size, seed=seed, epoch=3))
    assert np.array_equal(first, again)


def test_epochs_and_seeds_differ_and_none_is_sorted() -> None:
    orders = [np.concatenate(epoch_batches(200, 32, seed=seed, epoch=epoch)) for seed in range(4) for epoch in range(4)]
    assert len({order.tobytes() for order in orders}) == 16
    assert all(abs(np.corrcoef(order, np.arange(200))[0, 1]) < 0.25 for order in orders)


@given(st.integers(8, 300), st.integers(8, 64), st.integers(1, 8))
def test_the_parts_of_all_processes_are_the_batch(pictures: int, batch_size: int, size: int) -> None:
    batches = epoch_batches(pictures, batch_size, seed=0, epoch=0)
    if min(map(len, batches)) < size:
        return
    parts = [list(share_of(batches, rank=rank, size=size)) for rank in range(size)]
    for number, batch in enumerate(batches):
        assert np.array_equal(np.concatenate([part[number] for part in parts]), batch)


def test_refused_when_a_process_would_have_no_picture() -> None:
    with pytest.raises(ConfigError, match="5 processes cannot share batches of 4 pictures"):
        share_of([np.arange(4)], rank=0, size=5)
