"""From a photo to the tensor that a network was trained on.

Wrong preprocessing never fails, it only answers nonsense, so the recipe belongs to the weights: resize the shorter side,
cut the center, order and scale the channels, subtract the mean, divide by the deviation. The resize is Pillow's (with
antialias), which is what torchvision's and timm's evaluation pipelines use for image files.
"""
