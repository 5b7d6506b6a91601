"""Which spectra, added up, make these sounds? Sparse non-negative matrix factorisation.

With V ``(frequency, frame)`` >= 0, spectra W ``(frequency, component)`` with columns of unit length and activations H
``(component, frame)``, both >= 0, the objective is

    J = 1/2 |V - W H|^2 + mu sum H,        |W_k| = 1.

Multiplicative updates that keep the length of the columns (a dot is the elementwise product, a bar the division)::

    H <- H . (W^T V) / (W^T W H + mu)
    W <- W . (V H^T + W diag(1^T (W H H^T . W))) / (W H H^T + W diag(1^T (V H^T . W))),   columns then normalised

Were the length of the columns not fixed, the penalty would be empty: H could shrink as W grows. ``solver="sklearn"`` is
coordinate descent by scikit-learn for mu = 0, faster, columns normalised afterwards.

References: D. Lee, H. Seung (2001), Algorithms for Non-negative Matrix Factorization, NIPS; J. Eggert, E. Koerner
(2004), Sparse coding and NMF, IJCNN, whose update of W this is; J. Le Roux, F. Weninger, J. Hershey (2015), Sparse NMF:
half-baked or well done?, MERL TR2015-023. *Where published dictionaries differ*: the authors of L2I released
dictionaries, not the code; SpeechBrain learns W by gradient steps without a penalty and without unit columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from otoscope.errors import EmptyDataError, InputError
from otoscope.stage_config import Seed, StageConfig

_TINY = 1e-12


class NmfConfig(StageConfig):
    """How spectra are learnt.

    Attributes
    ----------
    n_components : int
        Columns of W, in each class where dictionaries are per class.
    sparsity : float
        mu, the weight of sum H; 0.8 in the released dictionaries of L2I.
    iterations : int
        Updates at most.
    tolerance : float
        Stop when ten updates lower the objective by less than this share of it.
    solver : {"multiplicative", "sklearn"}
        ``sklearn``: only with sparsity 0.
    seed : int
        Of the first W and H.
    """

    n_components: int = Field(100, ge=1)
    sparsity: float = Field(0.8, ge=0)
    iterations: int = Field(200, ge=1)
    tolerance: float = Field(1e-4, ge=0)
    solver: Literal["multiplicative", "sklearn"] = "multiplicative"
    seed: Seed = 0


@dataclass(frozen=True)
class Factors:
    """V is about ``spectra @ activations``.

    Attributes
    ----------
    spectra : Tensor, shape (frequency, component)
        Not negative, columns of unit length.
    activations : Tensor, shape (component, frame)
        Not negative.
    objective : tuple of float
        J after every tenth update, falling.
    """

    spectra: Tensor
    activations: Tensor
    objective: tuple[float, ...]


Keep = Callable[["Factors"], None]
"""Called with the state of a factorisation every tenth update."""


def factorise(
    values: Tensor, config: NmfConfig | None = None, *, start: Factors | None = None, keep: Keep | None = None
) -> Factors:
    """Return spectra and activations of non-negative values.

    Parameters
    ----------
    values : Tensor, shape (frequency, frame)
        Magnitudes or their log1p; at least one is positive.
    config : NmfConfig, optional
        Components, sparsity, iterations.
    start : Factors, optional
        A state that ``keep`` was given: the updates go on from there, to the same result.
    keep : callable, optional
        Is given the state every tenth update; not by ``sklearn``.

    Raises
    ------
    InputError
        If a value is negative or not finite, or scikit-learn is asked for a penalty.
    EmptyDataError
        If all values are 0.
    """
    how = NmfConfig.of(config)
    _check(values)
    if how.solver == "sklearn":
        return _by_sklearn(values, how)
    spectra, activations, trail = _begun(values, how, start)
    for step in range(10 * len(trail), how.iterations):
        activations = updated_activations(values, spectra, activations, how.sparsity)
        spectra = updated_spectra(values, spectra, activations)
        if step % 10 == 9:
            trail = (*trail, objective(values, spectra, activations, how.sparsity))
            if keep is not None:
                keep(Factors(spectra, activations, trail))
            if len(trail) > 1 and trail[-2] - trail[-1] < how.tolerance * trail[-2]:
                break
    return Factors(spectra, activations, trail)


def _begun(values: Tensor, how: NmfConfig, start: Factors | None) -> tuple[Tensor, Tensor, tuple[float, ...]]:
    """Return spectra, activations and objectives so far."""
    if start is not None:
        return start.spectra, start.activations, start.objective
    generator = torch.Generator().manual_seed(how.seed)
    scale = float(values.mean()) ** 0.5
    spectra = unit(torch.rand(len(values), how.n_components, generator=generator).to(values) + 0.1)
    first = torch.rand(how.n_components, values.shape[1], generator=generator).to(values) + 0.1
    return spectra, scale * first, ()


def activations_of(
    values: Tensor, spectra: Tensor, *, sparsity: float = 0.0, iterations: int = 100
) -> Tensor:
    """Return the activations of known spectra, ``(clip, component, frame)``.

    Parameters
    ----------
    values : Tensor, shape (clip, frequency, frame)
        Not negative; silence has activations 0.
    spectra : Tensor, shape (frequency, component)
        Not negative.
    sparsity : float
        Weight of sum H.
    iterations : int
        Updates of H; the first H is W^T V.
    """
    found = (spectra.T @ values).clamp_min(0)
    for _ in range(iterations):
        found = updated_activations(values, spectra, found, sparsity)
    return found


def updated_activations(values: Tensor, spectra: Tensor, activations: Tensor, sparsity: float) -> Tensor:
    """Return H after one update; the objective does not rise."""
    return activations * (spectra.T @ values) / (spectra.T @ spectra @ activations + sparsity + _TINY)


def updated_spectra(values: Tensor, spectra: Tensor, activations: Tensor) -> Tensor:
    """Return W after one update, columns of unit length."""
    pull, push = values @ activations.T, spectra @ (activations @ activations.T)
    up = pull + spectra * (push * spectra).sum(0)
    down = push + spectra * (pull * spectra).sum(0)
    return unit(spectra * up / (down + _TINY))


def objective(values: Tensor, spectra: Tensor, activations: Tensor, sparsity: float) -> float:
    """Return J, lower is better."""
    error = values - spectra @ activations
    return float(0.5 * error.square().sum() + sparsity * activations.sum())


def unit(spectra: Tensor) -> Tensor:
    """Return the columns at unit length; a column of zeros stays."""
    lengths: Tensor = spectra.norm(dim=0)
    return spectra / lengths.clamp_min(_TINY)


def _check(values: Tensor) -> None:
    if values.ndim != 2 or not bool(values.isfinite().all()) or bool((values < 0).any()):
        raise InputError(
            f"expected finite values (frequency, frame), not negative; got {tuple(values.shape)}"
        )
    if not values.numel() or not bool((values > 0).any()):
        raise EmptyDataError("there is nothing to factorise: all values are 0 (silence)")


def _by_sklearn(values: Tensor, how: NmfConfig) -> Factors:
    if how.sparsity:
        raise InputError(
            f"solver='sklearn' has no penalty with unit columns: set sparsity=0, got {how.sparsity}, or use "
            "solver='multiplicative'"
        )
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    model = NMF(
        how.n_components, init="nndsvda", tol=how.tolerance, max_iter=how.iterations, random_state=how.seed
    )
    exact = values.double().cpu().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is the caller's choice
        weights = model.fit_transform(np.maximum(exact, 0.0))
    lengths = np.maximum(np.linalg.norm(weights, axis=0), _TINY)
    spectra = torch.from_numpy(weights / lengths).to(values)
    activations = torch.from_numpy(model.components_ * lengths[:, None]).to(values)
    return Factors(spectra, activations, (objective(values, spectra, activations, 0.0),))
