"""Slow twins of what detectors of regions do, in plain loops over Python numbers."""

import math


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union if union else 0.0


def coverage(a, b):
    """Share of a that lies in b."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    return max(w, 0) * max(h, 0) / ((a[2] - a[0]) * (a[3] - a[1]))


def lies_on(candidate, box, low):
    return iou(candidate, box) >= max(low, 1e-6) or coverage(candidate, box) >= 0.5


def match(candidates, boxes, ignored, *, high, low, lowest=0.0, best_for_each):
    """For each candidate the object that it is to find, −1 for background, −2 for neither."""
    result = []
    best = [max((iou(c, b) for c in candidates), default=0.0) for b in boxes]
    for c in candidates:
        overlaps = [0.0 if ignored[i] else iou(c, b) for i, b in enumerate(boxes)]
        most = max(overlaps, default=0.0)
        whose = overlaps.index(most) if overlaps else -1
        ties = [i for i, b in enumerate(boxes) if not ignored[i] and best[i] > 0 and iou(c, b) == best[i]]
        if (most >= high and most > 0) or (best_for_each and ties):
            result.append(whose)
        elif any(
            iou(c, b) >= max(low, 1e-6) or coverage(c, b) >= 0.5 for b, i in zip(boxes, ignored, strict=True) if i
        ):
            result.append(-2)
        elif lowest <= most < low:
            result.append(-1)
        else:
            result.append(-2)
    return result


def encode(box, reference, weights):
    w, h = reference[2] - reference[0], reference[3] - reference[1]
    bw, bh = box[2] - box[0], box[3] - box[1]
    return [
        weights[0] * ((box[0] + box[2]) / 2 - (reference[0] + reference[2]) / 2) / w,
        weights[1] * ((box[1] + box[3]) / 2 - (reference[1] + reference[3]) / 2) / h,
        weights[2] * math.log(bw / w),
        weights[3] * math.log(bh / h),
    ]


def smooth_l1(x, beta):
    return 0.5 * x * x / beta if abs(x) < beta else abs(x) - 0.5 * beta


def cross_entropy(scores, label):
    top = max(scores)
    return math.log(sum(math.exp(s - top) for s in scores)) + top - scores[label]
