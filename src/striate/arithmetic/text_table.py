"""Tables for people who read plain text: columns that line up, numbers to the right."""

from collections.abc import Sequence

__all__ = ["text_table"]


def text_table(rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Rows as lines, each column as wide as its widest cell.

    Args:
        rows: Cells, the heads first; as many in every row.
        left: How many columns, from the first, hold words and not numbers.

    >>> print(text_table([("layer", "MACs"), ("conv", "1,728"), ("relu", "")]))
    layer   MACs
    conv   1,728
    relu
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
