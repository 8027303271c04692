"""Draw the picture of the README: a mug of coffee and two lemons on a wooden table, by ray marching.

The scene is a signed distance function: how far is the nearest surface from a point? A ray that walks by that distance
never steps through anything (sphere tracing: Hart 1996). Everything is computed: the picture is ours.
Run: `python docs/images/render_still_life.py still-life.jpg` (about a minute).
"""

import sys

import numpy as np
from PIL import Image

WIDTH, HEIGHT, SAMPLES = 900, 675, 2
EYE, LOOK_AT, ZOOM = (-0.3, 3.3, 6.4), (0.5, 0.86, 0.0), 3.65
SUN = np.float32([-0.62, 0.62, 0.36]) / np.float32(np.linalg.norm([-0.62, 0.62, 0.36]))
TOP, BREW = 1.92, 1.66  # heights of the rim and of the coffee
TABLE, GLAZE, INSIDE, COFFEE, LEMON = range(5)
Array = np.ndarray


def unit(v: Array) -> Array:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def smooth_union(a: Array, b: Array, k: float) -> Array:
    h = np.clip(0.5 + 0.5 * (b - a) / k, 0, 1)
    return b + (a - b) * h - k * h * (1 - h)


def noise(p: Array) -> Array:
    """Value noise in [0, 1]: random numbers on the whole numbers, blended between them."""
    cell = np.floor(p).astype(np.int64)
    f = (p - cell).astype(np.float32)
    f = f * f * (3 - 2 * f)
    total = np.zeros(p.shape[:-1], np.float32)
    for corner in np.ndindex(2, 2, 2):
        x, y, z = np.moveaxis(cell + corner, -1, 0)
        h = (x * 73856093 ^ y * 19349663 ^ z * 83492791) & 0x7FFFFFFF
        h = ((h ^ (h >> 13)) * 1274126177) & 0x7FFFFFFF
        total += ((h >> 8 & 0xFFFF) / 65535.0) * np.prod(np.where(corner, f, 1 - f), axis=-1)
    return total


def cylinder(p: Array, radius: float, low: float, high: float, rounding: float) -> Array:
    q = np.stack([np.hypot(p[..., 0], p[..., 2]) - radius, np.abs(p[..., 1] - (low + high) / 2) - (high - low) / 2], -1)
    q += rounding
    return np.minimum(q.max(-1), 0) + np.linalg.norm(np.maximum(q, 0), axis=-1) - rounding


def lemon(p: Array, center: tuple[float, float, float], along: tuple[float, float]) -> Array:
    q = p - np.float32(center)
    axis = unit(np.float32([along[0], 0.12, along[1]]))
    t = q @ axis
    r = np.linalg.norm(q - t[..., None] * axis, axis=-1)
    body = np.hypot(r, t * 0.80) - 0.47
    return 0.8 * smooth_union(body, np.hypot(r, np.maximum(np.abs(t) - 0.60, 0)) - 0.085, 0.16)


def scene(p: Array) -> tuple[Array, Array]:
    """Distance to the nearest surface, and which it is."""
    handle = np.stack(
        [p[..., 0] - 0.96, np.sign(p[..., 1] - 0.94) * np.maximum(np.abs(p[..., 1] - 0.94) - 0.16, 0)], -1
    )
    ring = np.hypot((np.linalg.norm(handle, axis=-1) - 0.46) * 1.15, p[..., 2] * 0.75) - 0.115
    hollow = cylinder(p, 0.82, 0.14, 3.0, 0.12)
    mug = np.maximum(smooth_union(cylinder(p, 0.92, 0.0, TOP, 0.07), ring, 0.09), -hollow)
    coffee = np.maximum(np.maximum(p[..., 1] - BREW, hollow), 1.2 - p[..., 1])
    glaze = np.where(hollow < 0.055, INSIDE, GLAZE)
    fruit = np.minimum(lemon(p, (1.75, 0.46, 0.95), (1.0, 0.35)), lemon(p, (2.35, 0.46, -0.35), (0.45, -1.0)))
    d = np.stack([np.maximum(p[..., 1], -4.6 - p[..., 2]), mug, coffee, fruit], -1)
    nearest = d.argmin(-1)
    kind = np.select([nearest == 0, nearest == 1, nearest == 2], [np.full_like(glaze, TABLE), glaze, COFFEE], LEMON)
    return d.min(-1), kind


def march(start: Array, way: Array, far: float = 24.0, steps: int = 120) -> tuple[Array, Array]:
    """How far each ray gets, and the narrowest gap that it passed, for soft shadows."""
    t, gap = np.full(len(start), 0.02, np.float32), np.ones(len(start), np.float32)
    alive = np.arange(len(start))
    for _ in range(steps):
        d = scene(start[alive] + t[alive, None] * way[alive])[0]
        gap[alive] = np.minimum(gap[alive], 7 * d / t[alive])
        t[alive] += np.maximum(d, 0.0008)
        alive = alive[(d > 0.0008) & (t[alive] < far)]
        if not len(alive):
            break
    return t, np.clip(gap, 0, 1)


def normals(p: Array) -> Array:
    step = 0.0015 * np.eye(3, dtype=np.float32)
    return unit(np.stack([scene(p + e)[0] - scene(p - e)[0] for e in step], -1))


def room(way: Array) -> Array:
    """Light from outside the scene: a dim warm room with a window at the left and lamps out of focus."""
    up = np.clip(way[:, 1:2] * 0.9 + 0.45, 0, 1)
    light = np.float32([0.20, 0.15, 0.115]) * (1 - up) + np.float32([0.52, 0.50, 0.49]) * up
    across, height = np.arctan2(way[:, 0], way[:, 2]), way[:, 1]
    pane = (np.abs(across + 1.05) < 0.42) & (np.abs(across + 1.05) > 0.03) & (height > 0.12) & (height < 0.80)
    wall = np.exp(-(((way[:, 0] + 0.30) / 0.26) ** 2)) * (way[:, 2] < 0)
    return light + pane[:, None] * np.float32([2.6, 2.7, 2.9]) + wall[:, None] * np.float32([0.34, 0.27, 0.20])


def surface(p: Array, kind: Array, n: Array) -> tuple[Array, Array, Array]:
    """Color, share of mirror light seen straight on, and the bent normal of every point."""
    plank = np.floor((p[:, 2] + 20) / 1.45)
    q = np.stack([p[:, 0] * 0.55 + plank * 7.3, p[:, 2] * 6.0, plank * 3.1], -1)
    warp = noise(q * 0.7)
    rings = 0.5 + 0.5 * np.sin(22 * (warp + 0.35 * noise(q * [1, 0.5, 1] + 9)) + plank)
    fiber = noise(q * [5, 16, 1])
    seam = np.clip(np.abs((p[:, 2] + 20) / 1.45 - np.round((p[:, 2] + 20) / 1.45)) * 70, 0.15, 1)
    near = np.clip((13 - np.linalg.norm(p - np.float32(EYE), axis=-1)) / 5, 0, 1)  # fine detail would flicker far away
    fiber, seam = 0.5 + (fiber - 0.5) * near, 0.8 + (seam - 0.8) * near
    wood = np.float32([0.33, 0.165, 0.075]) + (0.55 * rings + 0.45 * fiber)[:, None] * np.float32([0.23, 0.155, 0.09])
    wood *= (seam * (0.82 + 0.36 * noise(plank[:, None] * np.float32([1.7, 2.3, 3.1]))))[:, None]
    speckle = (noise(p * 34) > 0.80)[:, None] * 0.10
    band = (p[:, 1] < 0.30 + 0.02 * noise(p * 5))[:, None]
    glaze = np.where(band, np.float32([0.62, 0.44, 0.29]), np.float32([0.040, 0.15, 0.22]) + speckle * 0.3)
    u, v = (
        0.92 * (np.arctan2(p[:, 0], p[:, 2]) + 0.12),
        p[:, 1] - 1.04,
    )  # the print: a Gabor patch, what striate cells like best
    printed = (np.hypot(u, v) < 0.50) & (np.cos(33 * (0.80 * u + 0.60 * v)) * np.exp(-4.5 * (u * u + v * v)) > 0.22)
    glaze = np.where((printed & (p[:, 2] > 0))[:, None], np.float32([0.72, 0.68, 0.58]), glaze)
    swirl = noise(p * [5, 1, 5] + 3 * noise(p * 3)[:, None])[:, None]
    rim = np.clip((np.hypot(p[:, 0], p[:, 2]) - 0.66) / 0.14, 0, 1)[:, None]
    brew = np.float32([0.085, 0.034, 0.014]) + (0.5 * rim + 0.25 * swirl * rim) * np.float32([0.50, 0.27, 0.10])
    peel = np.float32([0.90, 0.62, 0.04]) * (0.92 + 0.10 * noise(p * 9))[:, None]
    colors = np.stack([wood, glaze, np.broadcast_to(np.float32([0.80, 0.76, 0.68]), wood.shape), brew, peel])
    mirror = np.float32([0.02, 0.05, 0.05, 0.03, 0.035])[kind]
    bumps = np.stack([noise(p * 30 + s) for s in (0, 41, 83)], -1) - 0.5
    n = unit(n + bumps * np.where(kind == LEMON, 0.30, np.where(kind == TABLE, 0.05, 0.012))[:, None])
    return colors[kind, np.arange(len(p))], mirror, n.astype(np.float32)


def shade(start: Array, way: Array, bounces: int) -> Array:
    """Light that comes along each ray."""
    t, _ = march(start, way)
    color, hit = room(way), t < 23.9
    p = start[hit] + t[hit, None] * way[hit]
    smooth, (_, kind) = normals(p), scene(p)
    albedo, mirror, n = surface(p, kind, smooth)
    _, sun = march(p + 0.012 * smooth, np.broadcast_to(SUN, p.shape), far=7.0, steps=60)
    open_sky = np.ones(len(p), np.float32)
    for reach in (0.07, 0.2, 0.45, 0.8):
        open_sky -= 0.42 * np.clip(reach - scene(p + reach * smooth)[0], 0, None) / reach * (0.9 - 0.6 * reach)
    key = (np.clip(n @ SUN, 0, None) * np.where(sun < 0.999, sun * sun * (3 - 2 * sun), 1))[:, None]
    fill = (np.clip(open_sky, 0.04, 1) * (0.62 + 0.38 * n[:, 1]))[:, None]
    light = key * np.float32([2.25, 1.98, 1.62]) + fill * np.float32([0.40, 0.44, 0.52])
    out = albedo * light
    if bounces:
        cosine = np.clip(-(way[hit] * n).sum(-1), 0, 1)
        share = mirror + (1 - mirror) * (1 - cosine) ** 5 * np.where(kind == TABLE, 0.30, 0.75)
        back = unit(way[hit] + 2 * cosine[:, None] * n).astype(np.float32)
        out += share[:, None] * shade(p + 0.012 * smooth, back, bounces - 1)
        half = np.clip((n * unit(SUN - way[hit])).sum(-1), 0, 1)
        gloss = np.float32([0.05, 0.9, 0.5, 0.6, 0.16])[kind] * half ** np.float32([24, 260, 200, 300, 26])[kind]
        out += (gloss * sun)[:, None]
    color[hit] = out
    return color


def render(width: int, height: int, samples: int) -> Array:
    """The picture as uint8 `height width 3`."""
    forward = unit(np.float32(LOOK_AT) - np.float32(EYE))
    right = unit(np.cross(forward, [0, 1, 0]).astype(np.float32))
    up = np.cross(right, forward)
    y, x = np.mgrid[0 : height * samples, 0 : width * samples].astype(np.float32)
    x, y = ((x + 0.5) / samples - width / 2) / height * 2, (height / 2 - (y + 0.5) / samples) / height * 2
    way = unit((ZOOM * forward + x[..., None] * right + y[..., None] * up).reshape(-1, 3)).astype(np.float32)
    rows = [
        shade(np.broadcast_to(np.float32(EYE), w.shape), w, 1) for w in np.array_split(way, max(1, len(way) // 60_000))
    ]
    light = np.concatenate(rows).reshape(height, samples, width, samples, 3).mean((1, 3))
    edge = np.hypot(*np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height)))[..., None]
    light *= 0.50 - 0.12 * edge**2
    light = (
        light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    )  # the ACES film curve, as fitted by Narkowicz
    grain = np.random.default_rng(0).normal(0, 0.008, (height, width, 1))
    return (255 * np.clip(np.clip(light, 0, 1) ** (1 / 2.2) + grain, 0, 1) + 0.5).astype(np.uint8)


if __name__ == "__main__":
    Image.fromarray(render(WIDTH, HEIGHT, SAMPLES)).save(sys.argv[1], quality=88)
