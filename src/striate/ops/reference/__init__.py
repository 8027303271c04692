"""The operators once more, slowly: loops over NumPy numbers, written from the formulas, to read and to check against.

They know no torch and share nothing with the fast operators. Maps are `n c` and any number of axes of space; everything
is computed in float64. Padding is (before, after) for each axis.
"""

from striate.ops.reference.convolution import convolution, cross_correlation, transposed_convolution
from striate.ops.reference.local_response_norm import local_response_norm
from striate.ops.reference.pooling import pool

__all__ = ["convolution", "cross_correlation", "local_response_norm", "pool", "transposed_convolution"]
