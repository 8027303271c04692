"""Pictures by optimization: image parametrization × objective × transform × optimizer, and one loop.

Imported eagerly, as the floors below it are.
"""

from striate.dreams import after_step, objectives, optimizers, transforms
from striate.dreams.color import color_matrix
from striate.dreams.deep_dream import deep_dream, stream_deep_dream
from striate.dreams.dream import Dream, Step
from striate.dreams.dream_picture import DreamPicture
from striate.dreams.dreamer import Dreamer, DreamStep, Painting
from striate.dreams.enlarged_image import EnlargedImage
from striate.dreams.fourier_image import FourierImage
from striate.dreams.gram import gram_matrix
from striate.dreams.objectives import Objective, Seen
from striate.dreams.parametrization import Parametrization
from striate.dreams.phase_image import PhaseImage
from striate.dreams.pixel_image import PixelImage
from striate.dreams.relu_gradient import RedirectedRelu
from striate.dreams.spectrum import magnitude_spectrum, photo_spectrum
from striate.dreams.style import style_transfer
from striate.dreams.style_result import StyledPicture, StyleStep
from striate.dreams.style_run import StyleTransfer
from striate.dreams.subject import Subject, build_subject

__all__ = [
    "Dream",
    "DreamPicture",
    "DreamStep",
    "Dreamer",
    "EnlargedImage",
    "FourierImage",
    "Objective",
    "Painting",
    "Parametrization",
    "PhaseImage",
    "PixelImage",
    "RedirectedRelu",
    "Seen",
    "Step",
    "StyleStep",
    "StyleTransfer",
    "StyledPicture",
    "Subject",
    "after_step",
    "build_subject",
    "color_matrix",
    "deep_dream",
    "gram_matrix",
    "magnitude_spectrum",
    "objectives",
    "optimizers",
    "photo_spectrum",
    "stream_deep_dream",
    "style_transfer",
    "transforms",
]
