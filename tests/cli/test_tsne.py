"""`striate tsne`: a map, new pictures into it, neighbors, and what is refused."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 190)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(level, level + 60, (28, 28, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path / "photos"


def test_a_map_then_new_pictures_then_neighbors(run_cli, folder, tmp_path):
    out = tmp_path / "map"
    (folder / "dark" / "broken.png").write_bytes(b"x")
    done = run_cli("tsne", folder, "--network", "lenet5.mnist", "--out", out)
    assert done.code == 1, done.err
    assert done.out.splitlines()[0] == "8 pictures, seen by lenet5"
    assert "broken.png" in done.err
    assert "left out: 1 of 9 pictures" in done.err
    assert f"Map     {out / 'map.html'}" in done.out
    assert "--add" in done.out.splitlines()[-1]
    for name in ("map.npz", "map.csv", "map.json", "map.png", "grid.png", "neighbors.json", "representations.npz"):
        assert (out / name).is_file()
    page = (out / "map.html").read_text(encoding="utf-8")
    assert "8 pictures, seen by lenet5" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    photo = folder / "light" / "0.png"
    document = run_cli("tsne", "--map", out, "--add", folder / "light", "--neighbors", photo, "--json").json
    assert sum(one.get("added", False) for one in document["pictures"]) == 4
    best = document["found"]["queries"][0]["neighbors"][0]
    assert best["distance"] == pytest.approx(0, abs=1e-9)
    assert document["kind"] == "representation map"


def test_mistakes_are_sentences(run_cli, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for words, message in (
        (("tsne",), "either a folder of pictures, or an old map"),
        (("tsne", tmp_path / "nowhere"), "no such file or folder"),
        (("tsne", tmp_path / "empty", "--network", "lenet5.mnist"), "no picture in this folder"),
        (("tsne", folder, "--network", "lenet5.mnist", "--perplexity", "9"), "from 1 to 2.333, a third of the 7 other"),
        (("tsne", folder, "--add", folder), "puts pictures into an old map"),
        (("tsne", folder, "--add", folder, "--map", tmp_path), "exactly one of them"),
        (("tsne", folder, "--method", "pca", "--perplexity", "2"), "belongs to t-SNE"),
        (("tsne", "--map", tmp_path, "--add", folder), "no such file. --map takes the folder"),
    ):
        done = run_cli(*words, *(("--out", tmp_path / "o") if len(words) > 1 else ()))
        assert done.code == 2, words
        assert message in done.err, (words, done.err)
