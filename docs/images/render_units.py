"""Draw the pictures of docs/guide/units.md.

    python docs/images/render_units.py FOLDER [PHOTO]

FOLDER holds the photos to look through, some hundreds or more. The pictures in the guide are from a thousand: crops at
several scales of the photos that come with scikit-image and scikit-learn, and emoji.
"""

import sys
from pathlib import Path

from PIL import Image

import striate
from striate import insight
from striate.data import find_images
from striate.draw import encode_png

HERE = Path(__file__).parent
LAYERS = ["features.1", "features.4", "features.7", "features.12"]


def main() -> None:
    """Draw them all."""
    folder = Path(sys.argv[1])
    photo = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "still-life.jpg"
    network = striate.load("squeezenet1_1")
    photos = find_images(folder)
    few = photos[:: max(len(photos) // 12, 1)]

    found = insight.top_patches(network, folder, LAYERS)
    middle = found.draw("features.7", channels=found["features.7"].most_selective(7))
    Image.fromarray(middle).save(HERE / "top-patches.jpg", quality=86, optimize=True)
    sheet = insight.depth_sheet(found, units=3, kernels=insight.kernels(network)).draw()
    Image.fromarray(sheet).save(HERE / "depth-sheet.jpg", quality=84, optimize=True)

    counted = insight.unit_statistics(network, photos[:: max(len(photos) // 50, 1)])
    (HERE / "unit-activity.png").write_bytes(encode_png(counted.draw()))
    fields = insight.effective_field(
        network, few, ["features.1", "features.4", "features.7", "features.9", "features.12"]
    )
    (HERE / "effective-fields.png").write_bytes(encode_png(fields.draw()))
    response = insight.shift_response(network, few, shifts=range(16))
    (HERE / "shift-response.png").write_bytes(encode_png(response.draw()))

    # activation-sheet.png is this page in a browser of 1400 × 900 pixels, at #features.4
    page = striate.report.build_activation_sheet(insight.layer_activations(network, photo)[0])
    Path("activation-sheet.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
