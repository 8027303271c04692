"""Sprites and photos of one's own: outlines found, plain grounds cut away, nothing shared between parts."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from striate.data.scene_backgrounds import read_backgrounds
from striate.data.scene_dice import Dice
from striate.data.scene_pictures import key_out, read_sprites
from striate.data.scene_settings import SceneSettings
from striate.data.scenes import build_scenes, draw_scene
from striate.errors import ConfigError, DataError

SMALL = SceneSettings(size=(64, 64))


def disk(color, *, ground=None, side=40):
    image = Image.new("RGBA", (side, side), (*ground, 255) if ground else (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((6, 6, side - 7, side - 7), fill=(*color, 255))
    return image


@pytest.fixture
def folders(tmp_path):
    for number, name in enumerate(("blue", "red")):
        folder = tmp_path / "sprites" / name
        folder.mkdir(parents=True)
        for shade in range(5):
            disk((40 * shade, 0, 200) if name == "blue" else (200, 40 * shade, number)).save(folder / f"{shade}.png")
    return tmp_path / "sprites"


def test_folders_are_classes_and_clear_parts_are_found(folders):
    sprites = read_sprites(folders)
    assert sprites.classes == ("blue", "red")
    assert sprites.problems == ()
    assert [len(one) for one in sprites.sprites] == [5, 5]
    assert sprites.sprites[0][0].shape == (28, 28, 4)
    assert sprites.describe() == "10 sprites of 2 classes"


def test_files_are_classes(folders):
    sprites = read_sprites(folders / "red", classes_by="file")
    assert sprites.classes == ("0", "1", "2", "3", "4")
    scene = draw_scene(0, sprites=sprites, settings=SMALL)
    assert scene.truth.labels == sprites.classes
    with pytest.raises(DataError, match=r"0.png is called '0', too"):
        read_sprites(folders, classes_by="file")


def test_classes_may_be_given_by_name(folders):
    files = {"ball": [folders / "red" / "0.png", folders / "blue" / "1.png"], "apple": [folders / "red" / "2.png"]}
    sprites = read_sprites(files)
    assert sprites.classes == ("apple", "ball")
    assert [len(one) for one in sprites.sprites] == [1, 2]


def test_plain_grounds_are_cut_away_and_said_to_be(tmp_path):
    path = tmp_path / "stamps" / "a.png"
    path.parent.mkdir()
    disk((180, 20, 20), ground=(250, 250, 246)).convert("RGB").save(path)
    sprites = read_sprites(path.parent)
    assert [problem.kind for problem in sprites.problems] == ["keyed-out"]
    alpha = sprites.sprites[0][0][..., 3]
    assert 24 <= alpha.shape[0] <= 28
    assert alpha[0, 0] < 128 < alpha[12, 12]


def test_what_is_neither_clear_nor_on_plain_ground_is_a_rectangle(tmp_path):
    path = tmp_path / "photos" / "a.png"
    path.parent.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 20, 3), np.uint8)).save(path)
    sprites = read_sprites(path.parent)
    assert [problem.kind for problem in sprites.problems] == ["rectangle"]
    assert sprites.sprites[0][0].shape == (30, 20, 4)


@pytest.mark.parametrize("ending", ["png", "gif", "webp", "tif"])
def test_clear_parts_of_every_format(tmp_path, ending):
    path = tmp_path / "disks" / f"a.{ending}"
    path.parent.mkdir()
    disk((180, 20, 20)).save(path, **({"lossless": True} if ending == "webp" else {}))
    sprites = read_sprites(path)
    assert sprites.problems == ()
    assert sprites.sprites[0][0].shape == (28, 28, 4)
    assert sprites.sprites[0][0][14, 14, 3] == 255


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "P", "CMYK"])
def test_opaque_pictures_of_any_mode_are_keyed_out(tmp_path, mode):
    pixels = np.full((40, 40), 255, np.uint8)
    pixels[10:30, 10:30] = 0
    image = Image.fromarray(pixels).convert("RGB").convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(pixels.astype(np.uint16) * 257)
    path = tmp_path / "squares" / ("a.tif" if mode == "CMYK" else "a.png")
    path.parent.mkdir()
    image.save(path)
    sprites = read_sprites(path)
    assert [problem.kind for problem in sprites.problems] == ["keyed-out"]
    assert 18 <= sprites.sprites[0][0].shape[0] <= 22


def test_holes_of_the_ground_s_color_stay():
    pixels = np.full((30, 30, 3), 255, np.uint8)
    pixels[5:25, 5:25] = 0
    pixels[12:18, 12:18] = 255
    alpha = key_out(pixels)
    assert alpha[15, 15] == 255
    assert alpha[1, 1] == 0
    assert key_out(np.full((9, 9, 3), 7, np.uint8)) is None


def test_damaged_and_empty_files_are_named_and_the_rest_is_used(folders):
    (folders / "red" / "9.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    Image.new("RGBA", (20, 20)).save(folders / "red" / "clear.png")
    sprites = read_sprites(folders)
    assert sorted(problem.kind for problem in sprites.problems) == ["no-object", "unreadable"]
    assert len(sprites.sprites[1]) == 5
    with pytest.raises(DataError, match="no picture of an object could be used"):
        read_sprites(folders / "red" / "clear.png")


def test_unseen_sprites_are_in_no_other_part(folders):
    Image.open(folders / "red" / "0.png").save(folders / "red" / "copy.png")
    for seed in range(5):
        sprites = read_sprites(folders, unseen=0.4, seed=seed)
        for kept, aside in zip(sprites.sprites, sprites.unseen, strict=True):
            assert aside
            assert not {one.tobytes() for one in kept} & {one.tobytes() for one in aside}
        drawn = {
            part: {sprites.draw(1, Dice(i), part=part).tobytes() for i in range(60)}
            for part in ("train", "test", "unseen")
        }
        assert drawn["train"] == drawn["test"]
        assert not drawn["train"] & drawn["unseen"]
    assert draw_scene(0, part="unseen", sprites=sprites, settings=SMALL).truth.labels == ("blue", "red")


def test_classes_of_one_sprite_are_not_in_unseen_scenes(folders):
    for path in sorted((folders / "blue").iterdir())[1:]:
        path.unlink()
    sprites = read_sprites(folders, unseen=0.2)
    scenes = build_scenes(5, part="unseen", sprites=sprites, settings=SMALL)
    assert scenes.counts()[0] == 0
    assert scenes.counts()[1] > 0


def test_photos_belong_to_one_part(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        Image.new("RGB", (90, 70), (20 * number, 90, 30)).save(folder / f"{number}.png")
    Image.new("RGB", (90, 70), (0, 90, 30)).save(folder / "copy.png")
    (folder / "bad.jpg").write_bytes(b"no picture")
    grounds = read_backgrounds(folder, parts=("train", "val", "test"))
    assert [problem.kind for problem in grounds.problems] == ["unreadable"]
    colors = {part: {photos.pixels(i).tobytes() for i in range(len(photos))} for part, photos in grounds.photos.items()}
    assert sum(map(len, colors.values())) == len(set().union(*colors.values())) == 12
    assert len(colors["train"]) > len(colors["test"]) >= 1
    plain = SceneSettings(size=(50, 60), objects=(0, 0), light=0, noise=(0, 0), exposure=(1, 1), blur_px=(0, 0))
    for part in ("train", "val", "test", "unseen"):
        seen = draw_scene(1, part=part, settings=plain, shift="none", backgrounds=grounds).pixels
        own = [photo[:3] for photo in colors["test" if part == "unseen" else part]]
        assert seen[20, 20].tobytes() in own
    with pytest.raises(DataError, match="too few for 3 parts"):
        read_backgrounds([folder / "1.png", folder / "2.png"], parts=("train", "val", "test"))


def test_refusals(folders):
    with pytest.raises(ConfigError, match="unseen must be a share"):
        read_sprites(folders, unseen=1.0)
    with pytest.raises(ConfigError, match="with classes by file"):
        read_sprites(folders / "red", classes_by="file", unseen=0.5)
    with pytest.raises(ConfigError, match="no objects were set aside"):
        draw_scene(0, part="unseen", sprites=read_sprites(folders), settings=SMALL)
    with pytest.raises(DataError, match="no such file or folder"):
        read_sprites(folders / "nowhere")
