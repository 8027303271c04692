"""Plots of runs and evaluations: what is drawn where, words of strangers, gaps, and what is refused."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.draw import draw_confusion, draw_lr_finder, draw_reliability, draw_training_curves
from striate.draw.chart import spread_labels
from striate.draw.themes import theme_colors
from striate.errors import ConfigError, ShapeError

ROWS = [
    {
        "epoch": n,
        "train_loss": 2 / n,
        "val_loss": 2.2 / n,
        "train_top1": 1 - 0.5 / n,
        "val_top1": [0.4, 0.7, 0.9, 0.8][n - 1],
        "val_top5": 0.95,
    }
    for n in (1, 2, 3, 4)
]


def share_of(picture, color, slack=24):
    return float((np.abs(picture.astype(int) - color).max(axis=2) <= slack).mean())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_paper_lines_and_the_best_epoch_have_the_colors_of_the_theme(theme):
    picture = draw_training_curves(ROWS, theme=theme, width=800, height=300)
    colors = theme_colors(theme)
    assert picture.shape == (300, 800, 3)
    assert (picture[0, 0] == colors["paper"]).all()
    assert share_of(picture, colors["paper"], 1) > 0.8
    assert 0 < share_of(picture, colors["ink"]) < 0.1
    assert 0 < share_of(picture, colors["accent"]) < 0.02


def test_the_mark_moves_with_the_best_epoch():
    def column(best):
        rows = [{**row, "val_top1": 0.9 if row["epoch"] == best else 0.5} for row in ROWS]
        picture = draw_training_curves(rows, width=800, height=300)
        found = np.abs(picture.astype(int) - theme_colors("light")["accent"]).max(axis=2) <= 4
        return np.median(np.nonzero(found)[1])

    assert column(1) < column(3) < column(4)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:1],
        [{"epoch": 1}],
        [{"epoch": 1, "train_loss": None, "val_top1": float("nan")}],
        [{"epoch": n, "train_loss": 0.0, "train_top1": 1.0, "val_top1": 1.0} for n in (1, 2)],
        [{**ROWS[0], "val_loss": 1e30}, ROWS[1]],
        [{"train_loss": 1.0}, {"train_loss": float("inf")}, {"train_loss": 2.0}],
        [{"epoch": n, "train_loss": 1 / n} for n in range(1, 2000)],
    ],
)
def test_gaps_single_epochs_and_flat_lines(rows):
    assert draw_training_curves(rows, width=600, height=240).shape == (240, 600, 3)


def test_threads_do_not_disturb_each_other():
    expected = draw_training_curves(ROWS, width=600, height=240)
    found = [None] * 4

    def work(number):
        found[number] = draw_training_curves(ROWS, width=600, height=240)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for picture in found:
        np.testing.assert_array_equal(picture, expected)


def test_the_suggested_rate_is_marked_where_it_is():
    lrs, losses = np.geomspace(1e-5, 1, 50), np.linspace(2, 1, 50)
    for rate in (1e-4, 1e-2):
        picture = draw_lr_finder(lrs, losses, rate, width=600, height=300)
        found = np.abs(picture.astype(int) - theme_colors("light")["accent"]).max(axis=2) <= 4
        column = np.bincount(np.nonzero(found)[1]).argmax()
        plain = draw_lr_finder(lrs, losses, None, width=600, height=300)
        line = np.nonzero(np.abs(plain.astype(int) - theme_colors("light")["ink"]).max(axis=2) <= 24)
        inside = line[0] > 60  # below the title
        left, right = line[1][inside].min(), line[1][inside].max()
        expected = left + (right - left) * (np.log10(rate) + 5) / 5
        assert column == pytest.approx(expected, abs=4)
        assert share_of(plain, theme_colors("light")["accent"], 4) == 0


def test_a_loss_that_explodes_leaves_the_rest_readable():
    losses = np.r_[np.linspace(2, 1, 40), 1e6, np.inf, np.nan]
    picture = draw_lr_finder(np.geomspace(1e-5, 1, len(losses)), losses, 1e-2, width=400, height=200)
    rows = np.nonzero(np.abs(picture.astype(int) - theme_colors("light")["ink"]).max(axis=2) <= 24)[0]
    assert np.ptp(rows) > 80


def test_right_answers_are_gray_and_mistakes_have_the_accent():
    colors = theme_colors("light")
    right = draw_confusion(np.diag([5, 5, 5]), list("abc"), width=300)
    assert share_of(right, colors["accent"], 60) == 0
    wrong = draw_confusion(np.array([[0, 5], [5, 0]]), list("ab"), width=300)
    assert share_of(wrong, colors["accent"], 12) > 0.15


@pytest.mark.parametrize("name", ["$5", r"$\frac{1}$", "", "日本", "<script>", "a" * 300, "\n", "x^2_3$"])
def test_words_of_strangers_are_never_read_as_formulas(name):
    assert draw_confusion(np.eye(2), [name, "b"], width=300).shape == (300, 300, 3)


@pytest.mark.parametrize("k", [1, 2, 21, 100])
def test_matrices_of_any_size_and_empty_rows(k):
    counts = np.zeros((k, k), int)
    counts[0, -1] = 12345
    assert draw_confusion(counts, [f"class {i}" for i in range(k)], width=300).shape == (300, 300, 3)


def test_a_gap_of_calibration_is_drawn_as_long_as_it_is():
    def height(accuracy):
        picture = draw_reliability([0.8], [1.0], [accuracy], [0.9], [10], width=400)
        found = np.abs(picture.astype(int) - theme_colors("light")["accent"]).max(axis=2) <= 40
        return np.ptp(np.nonzero(found)[0])

    assert height(0.5) == pytest.approx(2 * height(0.7), rel=0.1)


@given(st.lists(st.floats(-100, 100), max_size=8), st.floats(0.01, 10))
def test_labels_are_moved_apart_and_keep_their_order_and_their_middle(heights, gap):
    placed = spread_labels(heights, gap)
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    for low, high in itertools.pairwise(order):
        assert placed[high] - placed[low] >= gap - 1e-6
    assert sum(placed) == pytest.approx(sum(heights), abs=1e-6)
    if all(b - a >= gap for a, b in zip(sorted(heights), sorted(heights)[1:], strict=False)):
        assert placed == pytest.approx(heights, abs=1e-8)


def test_refusals():
    with pytest.raises(ShapeError, match="at least one epoch, got none"):
        draw_training_curves([])
    with pytest.raises(ShapeError, match="train_loss must be a row of numbers"):
        draw_training_curves([{"train_loss": "high"}])
    with pytest.raises(ConfigError, match="'light' or 'dark', got 'sepia'"):
        draw_training_curves(ROWS, theme="sepia")
    with pytest.raises(ConfigError, match="at least 560 × 180 pixels, got 10 × 420"):
        draw_training_curves(ROWS, width=10)
    with pytest.raises(ShapeError, match="rates above 0"):
        draw_lr_finder([0.0, 1.0], [1.0, 1.0])
    with pytest.raises(ShapeError, match="at least two"):
        draw_lr_finder([1.0], [1.0])
    with pytest.raises(ShapeError, match="k × k with k names"):
        draw_confusion(np.zeros((2, 3)), list("ab"))
    with pytest.raises(ConfigError, match="101 classes cannot be read"):
        draw_confusion(np.zeros((101, 101)), ["a"] * 101)
    with pytest.raises(ShapeError, match="as many"):
        draw_reliability([0.1], [0.2], [0.1, 0.2], [0.1], [1])
