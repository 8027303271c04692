"""Pictures a second for training: JPEG → random resized crop → 224 × 224 → flip, ours and Pillow's, in one run.

    python benchmarks/loader.py [--rounds 15] [--photos FOLDER]

Both sides read the same files, make the same cuts with the same number of threads and write into one batch. Pillow is
at its best: opened, `draft` where a JPEG can be decoded at a fraction of its scale, converted, cropped, resized with
its antialiased bilinear filter, mirrored. Photos are scikit-image's, saved anew as 500 × 375 and 1920 × 1080 JPEGs
(quality 90, 4:2:0). Rounds alternate, medians are compared: of the clock, and of the processor's time, which other
programs on the machine disturb less. What the pixels differ by is measured in the same run: fast cuts against Pillow
without draft, and evaluation against Pillow's resize and center crop.
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from PIL import Image

from striate.data import fast_decode
from striate.data.augment import Draws, FixedView, PadCrop, RandomResizedCrop, build_augmentation
from striate.data.image_set import ImageSet
from striate.data.loader import load_batches
from striate.data.pixel_cache import PixelCache
from striate.data.preprocessing import Preprocessing
from striate.data.stores import ArrayStore, FileStore

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "motorcycle_left.png", "retina.jpg",
          "rocket.jpg", "color.png")  # fmt: skip
CROP = RandomResizedCrop((224, 224))
BATCH = 64


def pillow_cut(source: bytes | Path, draws: Draws, row: int, *, draft: bool = True) -> NDArray[np.uint8]:
    image = Image.open(BytesIO(source) if isinstance(source, bytes) else source)
    width, height = image.size
    cut = CROP.cut((height, width), draws, row)
    left, top, right, bottom = cut.box
    factor = 1
    while draft and factor < 8 and min(right - left, bottom - top) >= 2 * factor * 224:
        factor *= 2
    if factor > 1:
        image.draft("RGB", (width // factor, height // factor))
    across, down = width / image.width, height / image.height
    box = (round(left / across), round(top / down), round(right / across), round(bottom / down))
    part = image.convert("RGB").crop(box).resize((224, 224), Image.Resampling.BILINEAR)
    return np.asarray(part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if cut.flip else part)


def pillow_epoch(files: list[Path], threads: int, *, draft: bool) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(files), BATCH):
            indices = range(start, min(start + BATCH, len(files)))
            draws, room = Draws(0, 0, list(indices)), np.empty((len(indices), 224, 224, 3), np.uint8)

            def fill(row: int, draws: Draws = draws, room: NDArray[np.uint8] = room, start: int = start) -> None:
                room[row] = pillow_cut(files[start + row], draws, row, draft=draft)

            list(pool.map(fill, range(len(indices))))


def median_seconds(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Seconds of the clock and of the processor, all threads together."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name in sorted(sides, reverse=bool(turn % 2)):
            began, worked = time.perf_counter(), time.process_time()
            sides[name]()
            if turn:  # the first round warms up
                times[name].append((time.perf_counter() - began, time.process_time() - worked))
    return {
        name: (statistics.median(clock for clock, _ in values), statistics.median(work for _, work in values))
        for name, values in times.items()
    }


def as_set(folder: Path, files: list[bytes]) -> ImageSet:
    names = [f"{number:04d}.jpg" for number in range(len(files))]
    for name, data in zip(names, files, strict=True):
        (folder / name).write_bytes(data)
    return ImageSet(("any",), np.zeros(len(files), np.int64), FileStore(folder, tuple(names)), folder, "folder")


def epoch(images: ImageSet, threads: int, **options: object) -> Callable[[], int]:
    def run() -> int:
        order = [np.arange(start, min(start + BATCH, len(images))) for start in range(0, len(images), BATCH)]
        loaded = load_batches(images, order, CROP, seed=0, epoch=0, workers=threads, **options)  # type: ignore[arg-type]
        return sum(len(batch) for batch in loaded)

    return run


def encoded(photos: list[Image.Image], size: tuple[int, int]) -> list[bytes]:
    files = []
    for photo in photos:
        stream = BytesIO()
        photo.resize(size, Image.Resampling.LANCZOS).save(stream, "JPEG", quality=90)
        files.append(stream.getvalue())
    return files


def report_size(photos: list[Image.Image], size: tuple[int, int], copies: int, rounds: int) -> None:
    kinds = encoded(photos, size)
    files = kinds * copies
    print(f"\n{size[0]} × {size[1]}, {len(files)} JPEGs, {np.mean([len(f) for f in files]) / 1e3:.0f} kB")
    with tempfile.TemporaryDirectory() as folder:
        images = as_set(Path(folder), files)
        paths = [Path(folder) / images.name(number) for number in range(len(files))]
        cache = PixelCache(images, max_bytes=4 << 30)
        print(f"{'':30}{'threads':>8}{'images/s':>10}{'ratio':>8}{'CPU ms each':>13}{'ratio':>8}")
        for threads in (1, 2):
            sides = {
                "Pillow": lambda threads=threads: pillow_epoch(paths, threads, draft=True),
                "Pillow without draft": lambda threads=threads: pillow_epoch(paths, threads, draft=False),
                "striate fast": epoch(images, threads, decode="fast"),
                "striate exact": epoch(images, threads),
                "striate fast, kept decoded": epoch(images, threads, decode="fast", cache=cache),
            }
            seconds = median_seconds(sides, rounds)
            for name, (clock, work) in seconds.items():
                faster, less = (seconds["Pillow"][i] / seconds[name][i] for i in (0, 1))
                rate, each = len(files) / clock, 1e3 * work / len(files)
                print(f"{name:30}{threads:>8}{rate:>10.0f}{faster:>8.2f}{each:>13.2f}{less:>8.2f}")
    draws = Draws(0, 0, np.arange(len(files)))
    exact = [pillow_cut(files[row], draws, row, draft=False).astype(int) for row in range(len(files))]
    crop = RandomResizedCrop((224, 224))
    fast = [fast_decode.decode_cut(files[row], crop, draws, row) for row in range(len(files))]
    draft = [pillow_cut(files[row], draws, row) for row in range(len(files))]
    ours = [crop(fast_decode.decode_pixels(files[row]), draws, row) for row in range(len(files))]
    for name, pictures in (("fast", fast), ("Pillow's draft", draft), ("exact", ours)):
        gaps = [np.abs(picture - reference).mean() for picture, reference in zip(pictures, exact, strict=True)]
        print(f"levels from Pillow without draft, {name}: mean {np.mean(gaps):.2f}, worst picture {max(gaps):.2f}")
    view, gaps = FixedView(Preprocessing()), []
    for data in kinds:
        image = Image.open(BytesIO(data)).convert("RGB")
        h, w = (256, int(256 * size[0] / size[1])) if size[0] >= size[1] else (int(256 * size[1] / size[0]), 256)
        y, x = round((h - 224) / 2), round((w - 224) / 2)
        theirs = np.asarray(image.resize((w, h), Image.Resampling.BILINEAR).crop((x, y, x + 224, y + 224)))
        mine = view(fast_decode.decode_pixels(data), draws, 0)
        gaps.append(np.abs(mine.astype(int) - theirs).mean())
    print(f"evaluation, levels from Pillow's resize and center crop: mean {np.mean(gaps):.2f}, worst {max(gaps):.2f}")


def report_digits() -> None:
    array = np.zeros((60_000, 28, 28), np.uint8)
    array[:, 4:24, 4:24] = np.random.default_rng(0).integers(0, 256, (60_000, 20, 20))
    images = ImageSet(("any",), np.zeros(60_000, np.int64), ArrayStore(array, "digits"), Path("digits"), "npz")
    view = Preprocessing(input_size=(32, 32), resize=28, channels="L", mean=(0.1,), std=(0.3,), locate="ink")
    order = np.array_split(np.random.default_rng(1).permutation(60_000), 235)
    torch.set_num_threads(1)
    print("\n60,000 digits of 28 × 28 as batches of 255: seconds an epoch, of the clock and of the processor")
    for name, geometry in (("view of evaluation", FixedView(view)), ("moved by up to 4 px", PadCrop(view, flip=0))):
        for what in ("bytes", "floats"):
            began, worked = time.perf_counter(), time.process_time()
            for batch in load_batches(images, order, geometry, seed=0, epoch=0, workers=1):
                _ = batch.float_images() if what == "floats" else batch.images
            clock, work = time.perf_counter() - began, time.process_time() - worked
            print(f"{name + ', as ' + what:34}{clock:8.2f}{work:8.2f}")
    augmentation, x = build_augmentation("digits", view), torch.rand(256, 1, 32, 32).expand(-1, 3, -1, -1)
    times = []
    for number in range(21):
        draws, worked = Draws(0, number, np.arange(256)), time.process_time()
        augmentation.augment(x, draws)
        times.append(time.process_time() - worked)
    print(
        f"affine and elastic distortion of 256 × 1 × 32 × 32, one thread: {1e3 * statistics.median(times[1:]):.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--photos", type=Path, help="a folder of photos; scikit-image's by default")
    options = parser.parse_args()
    if options.photos is None:
        import skimage

        paths = [Path(skimage.__file__).parent / "data" / name for name in PHOTOS]
    else:
        paths = sorted(path for path in options.photos.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})[
            :32
        ]
    photos = [Image.open(path).convert("RGB") for path in paths]
    versions = [f"python {platform.python_version()}", f"pillow {PIL.__version__}", f"numpy {np.__version__}"]
    for name, module in (("simplejpeg", fast_decode._simplejpeg), ("opencv", fast_decode._cv2)):
        versions.append(f"{name} {module.__version__ if module is not None else 'not installed'}")
    print("; ".join([*versions, f"torch {torch.__version__}, {platform.machine()}"]))
    report_size(photos, (500, 375), 16, options.rounds)
    report_size(photos, (1920, 1080), 4, max(options.rounds // 3, 3))
    report_digits()


if __name__ == "__main__":
    main()
