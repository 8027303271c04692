"""Tensor functions: convolution and pooling in every form, their adjoints and matrices, filters."""

__all__: list[str] = []
