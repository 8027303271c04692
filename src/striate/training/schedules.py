"""The learning rate as a function of how far the training is: nothing to save, nothing to get out of step.

With t the epochs done (a fraction counts), w the warm-up and T all epochs:

    warm-up     (t + 1/steps) / w                       rises to 1 at t = w  (Goyal et al. 2017, section 2.2)
    cosine      f + (1 − f) (1 + cos(π u)) / 2          u = (t − w) / (T − w)  (Loshchilov and Hutter 2016)
    poly        f + (1 − f) (1 − u)^power               (Chen et al. 2016, DeepLab)
    step        factor^(number of step epochs ≤ t)      (He et al. 2015)
    one-cycle   rises and falls as two half cosines     (Smith and Topin 2017); `warmup_epochs` is where it turns
    constant    1
"""

import bisect
import math

from striate.training.settings import TrainSettings

__all__ = ["learning_rate_factor"]


def learning_rate_factor(settings: TrainSettings, *, step: int, steps_per_epoch: int) -> float:
    """What the highest learning rate is multiplied with at a step.

    Args:
        settings: Schedule, warm-up, epochs and the rest.
        step: Steps done before this one, over all epochs.
        steps_per_epoch: Steps an epoch.

    Returns:
        Between 0 and 1.

    >>> settings = TrainSettings(epochs=10, schedule="cosine", warmup_epochs=0)
    >>> [round(learning_rate_factor(settings, step=step, steps_per_epoch=1), 3) for step in (0, 5, 9)]
    [1.0, 0.5, 0.024]
    """
    done = step / steps_per_epoch
    warmup = min(settings.warmup_epochs, settings.epochs / 2)
    if done < warmup:
        risen = min((step + 1) / (warmup * steps_per_epoch), 1.0)
        if settings.schedule == "one-cycle":
            return 0.04 + 0.96 * (1 - math.cos(math.pi * risen)) / 2
        return risen
    left = (done - warmup) / max(settings.epochs - warmup, 1e-9)
    rest = settings.final_lr
    match settings.schedule:
        case "cosine" | "one-cycle":
            return rest + (1 - rest) * (1 + math.cos(math.pi * min(left, 1.0))) / 2
        case "poly":
            return float(rest + (1 - rest) * max(1 - left, 0.0) ** settings.power)
        case "step":
            return float(settings.step_factor ** bisect.bisect_right(settings.step_epochs, done))
        case _:
            return 1.0
