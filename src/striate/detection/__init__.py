"""Finding objects: R-CNN, Fast R-CNN, Faster R-CNN and YOLO, their parts, and how well they find."""

__all__: list[str] = []
