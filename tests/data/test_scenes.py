"""Scenes: the same everywhere, exact to the pixel, with nothing in common between their parts."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data.scene_dice import Dice
from striate.data.scene_layout import lay_out
from striate.data.scene_settings import PARTS, SHIFTS, SceneSettings, settings_of
from striate.data.scene_shapes import SHAPES, ShapeSprites
from striate.data.scene_sprites import ALPHA_OF_OBJECT, SpriteSource, trimmed
from striate.data.scene_textures import TEST_TEXTURES, TRAIN_TEXTURES, colored, palette, texture
from striate.data.scenes import SceneMaker, build_scenes, draw_scene
from striate.errors import ConfigError

SMALL = SceneSettings(size=(96, 128))


def brute_boxes(layout, least):
    """The slow twin: every object pasted alone, pixel by pixel, from the lowest to the highest."""
    h, w = layout.owner.shape
    seen = np.full((h, w), -1)
    for number, placed in enumerate(layout.objects):
        for y in range(placed.sprite.shape[0]):
            for x in range(placed.sprite.shape[1]):
                at = (placed.top + y, placed.left + x)
                if 0 <= at[0] < h and 0 <= at[1] < w and placed.sprite[y, x, 3] >= ALPHA_OF_OBJECT:
                    seen[at] = number
    boxes, areas = [], []
    for number, placed in enumerate(layout.objects):
        ys, xs = np.nonzero(seen == number)
        if len(ys) and len(ys) >= least * (placed.sprite[..., 3] >= ALPHA_OF_OBJECT).sum():
            boxes.append((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
            areas.append(len(ys))
    return np.array(boxes, dtype=np.float32).reshape(-1, 4), areas


@pytest.mark.parametrize("part", ["train", "test"])
def test_boxes_are_those_of_a_loop_over_pixels(part):
    own = settings_of(part, SMALL, shift="strong")
    for index in range(6):
        layout = lay_out(ShapeSprites(), own, Dice("a test", index), part=part)
        truth = layout.detections(SHAPES, own)
        boxes, areas = brute_boxes(layout, own.min_visible)
        np.testing.assert_array_equal(truth.boxes, boxes)
        np.testing.assert_array_equal(truth.areas, areas)


def test_a_scene_does_not_depend_on_how_many_are_drawn_or_by_whom():
    maker = SceneMaker(settings=SMALL)
    alone = maker.draw(5)
    scenes = build_scenes(8, settings=SMALL)
    with ThreadPoolExecutor(3) as pool:
        drawn = list(pool.map(scenes.pixels, range(8)))
    np.testing.assert_array_equal(drawn[5], alone.pixels)
    np.testing.assert_array_equal(scenes.truth[5].boxes, alone.truth.boxes)
    np.testing.assert_array_equal(draw_scene(5, settings=SMALL).pixels, alone.pixels)
    np.testing.assert_array_equal(scenes.subset([7, 5]).pixels(1), alone.pixels)
    assert scenes.subset([5]).name(0) == "train-000005"
    kept = build_scenes(8, settings=SMALL, keep=True)
    for index in range(8):
        np.testing.assert_array_equal(kept.pixels(index), drawn[index])
        np.testing.assert_array_equal(kept.truth[index].boxes, scenes.truth[index].boxes)
    assert len(build_scenes(0, keep=True)) == 0


def test_the_truth_without_the_picture_is_that_of_the_picture():
    for part in PARTS:
        maker = SceneMaker(settings=settings_of(part, SMALL), part=part)
        one, other = maker.truth(3), maker.draw(3).truth
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.classes, other.classes)


def test_seeds_and_parts_give_other_scenes():
    pictures = {
        draw_scene(0, part=part, seed=seed, settings=SMALL).pixels.tobytes() for part in PARTS for seed in (0, 1)
    }
    assert len(pictures) == 2 * len(PARTS)


def test_training_never_shows_a_texture_of_the_test():
    assert not set(TRAIN_TEXTURES) & set(TEST_TEXTURES)


@pytest.mark.parametrize("name", TRAIN_TEXTURES + TEST_TEXTURES)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (37, 5), (64, 96)])
def test_textures_are_numbers_from_0_to_1_in_every_size(name, size):
    for seed in range(3):
        field = texture(name, size, Dice(seed))
        assert field.shape == size
        assert field.dtype == np.float32
        assert 0 <= field.min() <= field.max() <= 1
    colors = colored(field, palette(Dice(0), saturation=(0, 1), value=(0, 1)))
    assert colors.shape == (*size, 3)
    assert 0 <= colors.min() <= colors.max() <= 1


def test_ten_shapes_are_told_apart_by_their_outlines():
    """The share that two outlines have in common, at the best of four turns, stays well below that of one class."""
    source = ShapeSprites()

    def outline(kind, seed):
        alpha = source.draw(kind, Dice(seed), part="train")[..., 3] >= ALPHA_OF_OBJECT
        rows, columns = (np.linspace(0, side - 1, 48).round().astype(int) for side in alpha.shape)
        return alpha[rows][:, columns]

    def likeness(one, other):
        return max((one & turned).sum() / (one | turned).sum() for turned in (np.rot90(other, k) for k in range(4)))

    means = [np.mean([outline(kind, seed) for seed in range(8)], 0) > 0.5 for kind in range(10)]
    between = max(likeness(means[i], means[j]) for i in range(10) for j in range(i))
    assert between < 0.93
    assert min(likeness(means[kind], outline(kind, 99)) for kind in range(10)) > 0.6


class Dot(SpriteSource):
    """One square of 20 pixels."""

    def draw(self, kind, dice, *, part):
        del kind, dice, part
        return np.full((20, 20, 4), 255, np.uint8)

    def describe(self):
        return "squares"


PLAIN = SceneSettings(size=(60, 60), scale=(1 / 3, 1 / 3), rotation=0.0, flip=0, stretch=1, outside=0, objects=(9, 9))


def test_what_would_be_hidden_is_not_placed_or_not_labeled():
    for index in range(20):
        layout = lay_out(Dot(("square",)), PLAIN, Dice(index), part="train")
        assert (layout.visible >= PLAIN.min_visible).all()
        assert len(layout.detections(("square",), PLAIN)) == len(layout.objects)
    loose = SceneSettings(**{name: getattr(PLAIN, name) for name in PLAIN.__slots__} | {"hidden": "not labeled"})
    layouts = [lay_out(Dot(("square",)), loose, Dice(index), part="train") for index in range(20)]
    assert all(len(layout.objects) == 9 for layout in layouts)
    labeled = [len(layout.detections(("square",), loose)) for layout in layouts]
    assert labeled == [int((layout.visible >= 0.6).sum()) for layout in layouts]
    assert min(labeled) < 9


def test_full_boxes_hold_what_is_covered():
    own = {name: getattr(PLAIN, name) for name in PLAIN.__slots__}
    full = SceneSettings(**own | {"extent": "full"})
    for index in range(10):
        layout = lay_out(Dot(("square",)), full, Dice(index), part="train")
        boxes = layout.detections(("square",), full).boxes
        assert (boxes[:, 2:] - boxes[:, :2] == 20).all()
        seen = layout.detections(("square",), PLAIN).boxes
        assert (seen[:, :2] >= boxes[:, :2]).all()
        assert (seen[:, 2:] <= boxes[:, 2:]).all()


def test_difficult_is_what_is_mostly_hidden():
    own = {name: getattr(PLAIN, name) for name in PLAIN.__slots__}
    crowded = SceneSettings(**own | {"min_visible": 0.1, "difficult_below": 0.5})
    marks = []
    for index in range(20):
        layout = lay_out(Dot(("square",)), crowded, Dice(index), part="train")
        truth = layout.detections(("square",), crowded)
        np.testing.assert_array_equal(truth.difficult, layout.visible < 0.5)
        marks += truth.difficult.tolist()
    assert 0 < np.mean(marks) < 0.7


def test_objects_may_reach_beyond_the_border_by_the_share_that_is_allowed():
    own = {name: getattr(PLAIN, name) for name in PLAIN.__slots__}
    wide = SceneSettings(**own | {"outside": 0.5, "min_visible": 0.2})
    starts = [(p.left, p.top) for i in range(40) for p in lay_out(Dot(("a",)), wide, Dice(i), part="train").objects]
    assert -10 <= np.min(starts) < 0
    assert np.max(starts) <= 50
    boxes = np.concatenate(
        [lay_out(Dot(("a",)), wide, Dice(i), part="train").detections(("a",), wide).boxes for i in range(40)]
    )
    assert boxes.min() == 0
    assert boxes.max() == 60


@given(
    size=st.tuples(st.integers(16, 90), st.integers(16, 90)),
    scale=st.tuples(st.floats(0.02, 0.9), st.floats(1, 2)).map(lambda pair: (pair[0], pair[0] * pair[1])),
    count=st.integers(0, 30),
    visible=st.floats(0, 1),
    shift=st.sampled_from(sorted(SHIFTS)),
    part=st.sampled_from(PARTS),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_any_scene_is_whole(size, scale, count, visible, shift, part, seed):
    h, w = size
    own = SceneSettings(size=size, objects=(count, count), scale=scale, min_visible=visible)
    scene = draw_scene(0, part=part, seed=seed, settings=own, shift=shift)
    boxes = scene.truth.boxes
    assert scene.pixels.shape == (h, w, 3)
    assert scene.pixels.dtype == np.uint8
    assert scene.truth.size == (h, w)
    assert (boxes == boxes.round()).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert (boxes >= 0).all()
    assert (boxes[:, 2:] <= (w, h)).all()
    assert (scene.truth.areas > 0).all()
    assert (scene.truth.areas <= (boxes[:, 2:] - boxes[:, :2]).prod(1)).all()


def test_empty_scenes_and_trimming():
    scene = draw_scene(0, settings=SceneSettings(size=(40, 50), objects=(0, 0)))
    assert len(scene.truth) == 0
    assert scene.truth.boxes.shape == (0, 4)
    assert trimmed(np.zeros((5, 6, 4), np.uint8)).size == 0
    sprite = np.zeros((9, 9, 4), np.uint8)
    sprite[2:5, 3:8, 3] = 255
    assert trimmed(sprite).shape == (3, 5, 4)


def test_an_object_stands_out_from_its_ground():
    """Pasting changes the picture where the mask says so: inside by much more than far outside of all objects."""
    maker = SceneMaker(settings=settings_of("test"), part="test")
    inside, outside = [], []
    for index in range(6):
        scene = maker.draw(index)
        bare = SceneMaker(settings=SceneSettings(objects=(0, 0)), part="test").draw(index)
        change = np.abs(scene.pixels.astype(int) - bare.pixels).max(2)
        inside.append(np.median(change[scene.owner >= 0]))
        outside.append(np.median(change[scene.owner < 0]))
    assert np.mean(inside) > np.mean(outside) + 15


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": (8, 320)}, "size must be"),
        ({"size": (320, 20000)}, "size must be from 16 to 16384"),
        ({"objects": (3, 2)}, "objects must be a range"),
        ({"scale": (0.0, 0.2)}, "scale must be a range"),
        ({"scale": (0.1, 9.0)}, "scale at most 2"),
        ({"min_visible": 1.5}, "min_visible must be a share"),
        ({"rotation": 200.0}, "rotation must be from 0 to 180"),
        ({"stretch": 0.5}, "stretch and tint at least 1"),
    ],
)
def test_settings_that_cannot_be(change, words):
    with pytest.raises(ConfigError, match=words):
        SceneSettings(**change)


def test_the_shift_widens_what_was_set():
    mild, strong = (settings_of("test", shift=shift) for shift in ("mild", "strong"))
    assert (mild.objects, mild.scale, mild.rotation, mild.min_visible) == ((3, 9), (0.12, 0.45), 40, 0.45)
    assert (strong.objects, strong.scale, strong.rotation, strong.min_visible) == ((4, 12), (0.09, 0.55), 90, 0.3)
    assert settings_of("val", shift="strong") == settings_of("train") == settings_of("unseen", shift="none")
    still = SceneSettings(objects=(1, 1), rotation=0, flip=0, scale=(0.5, 1.9))
    moved = settings_of("test", still, shift="strong")
    assert (moved.objects, moved.rotation, moved.flip) == ((2, 2), 0, 0)
    assert moved.scale == (round(0.5 * 9 / 14, 10), 2)


@given(
    objects=st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)).map(lambda pair: (min(pair), max(pair))),
    scale=st.tuples(st.floats(1e-3, 2), st.floats(1e-3, 2)).map(lambda pair: (min(pair), max(pair))),
    shares=st.tuples(*[st.floats(0, 1)] * 3),
    rotation=st.floats(0, 180),
    shift=st.sampled_from(sorted(SHIFTS)),
)
def test_every_shift_of_possible_settings_is_possible(objects, scale, shares, rotation, shift):
    light, outside, visible = shares
    own = SceneSettings(
        objects=objects, scale=scale, light=light, outside=outside, min_visible=visible, rotation=rotation
    )
    moved = settings_of("test", own, shift=shift)
    assert moved.objects[1] >= own.objects[1]
    assert moved.scale[1] >= own.scale[1] - 1e-9
    assert moved.rotation >= own.rotation - 1e-9


def test_refusals():
    with pytest.raises(ConfigError, match="part must be one of train, val, test, unseen"):
        draw_scene(0, part="holdout")
    with pytest.raises(ConfigError, match="shift must be one of"):
        draw_scene(0, shift="huge")
    with pytest.raises(ConfigError, match="index must be 0 or more"):
        draw_scene(-1)
    with pytest.raises(ConfigError, match="count must be 0 or more"):
        build_scenes(-1)
    with pytest.raises(ConfigError, match="seed must be 0 or more"):
        draw_scene(0, seed=-1)
