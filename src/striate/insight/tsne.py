"""t-SNE: places in the plane such that near neighbors stay near.

    p(j|i) ∝ exp(−|x_i − x_j|² / 2σ_i²),  p_ij = (p(j|i) + p(i|j)) / 2n,  q_ij ∝ 1 / (1 + |y_i − y_j|²)
    minimize KL(P ‖ Q) = Σ p_ij log(p_ij / q_ij)

σ_i is such that the entropy of p(·|i) is log2(perplexity): about as many neighbors as count. Distances between groups,
the size of a group and its density say nothing: only who is next to whom does.

scikit-learn's Barnes-Hut runs on any machine; above some thousands of pictures openTSNE is used where it is installed
(`pip install 'striate[analysis]'`), whose interpolation grows with n and not with n log n.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError, ShapeError

__all__ = ["Engine", "TsneRun", "default_perplexity", "pick_engine", "run_tsne"]

Engine = Literal["auto", "sklearn", "opentsne"]

OPENTSNE_FROM = 4000
"""Pictures from which openTSNE is taken by itself."""
FEWEST = 5
"""With fewer pictures there is no perplexity that means anything."""


@dataclass(frozen=True, eq=False)
class TsneRun:
    """What one run of t-SNE gave.

    Attributes:
        positions: `n 2`.
        kl: The Kullback-Leibler divergence that is left, in nats.
        engine: `sklearn` or `opentsne`, with its version.
        iterations: How many steps were made.
    """

    positions: NDArray[np.float64]
    kl: float
    engine: str
    iterations: int


def default_perplexity(count: int) -> float:
    """30, or (n − 1) / 3 where there are fewer than 91 pictures: each point needs three times as many others.

    >>> default_perplexity(1000), default_perplexity(31)
    (30.0, 10.0)
    """
    return min(30.0, max((count - 1) / 3, 1.0))


def check_perplexity(perplexity: float, count: int) -> None:
    """Refuse a perplexity that the number of pictures does not allow.

    Raises:
        ConfigError: Below 1, above (n − 1) / 3, or no number.
    """
    most = (count - 1) / 3
    if not 1.0 <= perplexity <= most:
        raise ConfigError(
            f"perplexity must be from 1 to {most:.4g}, a third of the {count - 1} other pictures; got {perplexity:g}. "
            f"Leave it out for {default_perplexity(count):.4g}, or take more pictures."
        )


def pick_engine(engine: Engine, count: int) -> tuple[Literal["sklearn", "opentsne"], str]:
    """Who computes a map of `count` pictures, and a note where the better one is not installed.

    Raises:
        ConfigError: openTSNE was asked for and is not installed, or an unknown engine.
    """
    if engine not in {"auto", "sklearn", "opentsne"}:
        raise ConfigError(f"engine must be 'auto', 'sklearn' or 'opentsne'; got {engine!r}.")
    here = importlib.util.find_spec("openTSNE") is not None
    if engine == "opentsne" and not here:
        raise ConfigError("engine 'opentsne' needs openTSNE: pip install 'striate[analysis]'.")
    if engine == "sklearn" or (engine == "auto" and count < OPENTSNE_FROM):
        return "sklearn", ""
    if here:
        return "opentsne", ""
    note = f"{count:,} pictures: openTSNE would be faster than scikit-learn (pip install 'striate[analysis]')."
    return "sklearn", note


def run_tsne(
    values: NDArray[np.floating[Any]],
    *,
    perplexity: float,
    seed: int = 0,
    engine: Engine = "auto",
    iterations: int = 1000,
    progress: Callable[[int, int], None] | None = None,
) -> TsneRun:
    """Places in the plane for vectors `n d`, which should be few-dimensional (50 principal components).

    It starts from the first two columns, scaled to a standard deviation of 1e-4, so that the large structure is that of
    the principal components and the same seed gives the same map.

    Args:
        values: `n d`, finite, n at least 5; columns in the order of their variance.
        perplexity: 1 to (n − 1) / 3.
        seed: Of the engine's own random choices.
        engine: Who computes it; by the number of pictures by default.
        iterations: In all; the first 250 exaggerate the attraction 12 times.
        progress: Called with (done, iterations); scikit-learn tells nothing.

    Raises:
        ConfigError: `perplexity` out of range, or an engine that is not there.
        ShapeError: Too few rows, or numbers that are not finite.

    Source:
        van der Maaten, Hinton 2008, "Visualizing data using t-SNE", equations 1, 3, 4; van der Maaten 2014,
        arXiv:1301.3342 (Barnes-Hut); Linderman et al. 2019, arXiv:1712.09005 (interpolation); Kobak, Berens 2019,
        doi:10.1038/s41467-019-13056-x (initialization).
    """
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 2 or len(array) < FEWEST or not np.isfinite(array).all():
        raise ShapeError(f"t-SNE needs finite vectors of at least {FEWEST} pictures; got {array.shape}.")
    check_perplexity(perplexity, len(array))
    name, _ = pick_engine(engine, len(array))
    start = np.zeros((len(array), 2))
    start[:, : array.shape[1]] = array[:, :2]
    spread = start[:, 0].std()
    start = start / spread * 1e-4 if spread > 0 else np.random.default_rng(seed).normal(0, 1e-4, start.shape)
    if name == "opentsne":
        return _by_opentsne(array, start, perplexity=perplexity, seed=seed, iterations=iterations, progress=progress)
    import sklearn
    from sklearn.manifold import TSNE

    work = TSNE(
        perplexity=perplexity,
        init=start.astype(np.float32),
        learning_rate="auto",
        random_state=seed,
        max_iter=iterations,
    )
    positions = work.fit_transform(array.astype(np.float32))
    return TsneRun(
        positions.astype(np.float64),
        float(work.kl_divergence_),
        f"sklearn {sklearn.__version__}",
        int(work.n_iter_) + 1,
    )


def _by_opentsne(
    array: NDArray[np.float64],
    start: NDArray[np.float64],
    *,
    perplexity: float,
    seed: int,
    iterations: int,
    progress: Callable[[int, int], None] | None,
) -> TsneRun:
    import openTSNE  # type: ignore[import-untyped, import-not-found, unused-ignore]

    done = 0

    def tell(_: int, __: float, ___: Any) -> None:
        nonlocal done
        done += 50
        if progress is not None:
            progress(min(done, iterations), iterations)

    early = min(250, iterations // 4)
    # From some thousands of pictures on its default neighbor search is approximate; exact is fast enough up to here.
    neighbors = "exact" if len(array) <= 20_000 else "annoy"
    work = openTSNE.TSNE(
        perplexity=perplexity,
        initialization=start,
        neighbors=neighbors,
        negative_gradient_method="fft",
        early_exaggeration_iter=early,
        n_iter=iterations - early,
        random_state=seed,
        n_jobs=1,
        callbacks=tell,
        callbacks_every_iters=50,
    )
    found = work.fit(array)
    return TsneRun(
        np.asarray(found, dtype=np.float64), float(found.kl_divergence), f"openTSNE {openTSNE.__version__}", iterations
    )
