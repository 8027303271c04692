"""Plain tables line up."""

from striate.arithmetic.text_table import text_table


def test_words_to_the_left_numbers_to_the_right() -> None:
    rows = [("layer", "shape", "MACs"), ("conv", "8×4", "1,000"), ("relu", "", "")]
    assert text_table(rows, left=2).splitlines() == [
        "layer  shape   MACs",
        "conv   8×4    1,000",
        "relu",
    ]
