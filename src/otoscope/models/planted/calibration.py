"""Know how rule values are spread over synthetic sounds, so that a neuron's strength means what it says.

``calibration.json`` beside this file holds, over clip means of :data:`N_SOUNDS` sounds of 2 s from
``synthesis.catalogue(N_SOUNDS, seed=SEED)``: mean and standard deviation of each rule, their correlations, mean and
standard deviation of the product of each two, 33 quantiles of each standardised rule, and mean and covariance of
the 32 band levels. It is written by::

    python -c "from otoscope.models.planted import calibration; calibration.write()"
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.audio.synthesis import catalogue, render
from otoscope.models.planted.bank import RuleBank, levels_db
from otoscope.models.planted.front_end import SAMPLE_RATE, TwoSpectrograms
from otoscope.models.planted.rules import RULES

N_SOUNDS, SEED, N_QUANTILES = 480, 20240, 33
_FILE = Path(__file__).with_name("calibration.json")
_SHARES = np.linspace(0.0, 1.0, N_QUANTILES)

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Moments of clip means; rules in the order of ``rules``.

    Attributes
    ----------
    rules : tuple of str
        Names.
    mean, std : (rule,) arrays
        Of the rule values.
    correlation, product_mean, product_std : (rule, rule) arrays
        Between rules; and of the clip mean of the framewise product of two.
    quantiles : (rule, quantile) array
        Of (value - mean) / std, at evenly spaced shares from 0 to 1.
    band_mean, band_covariance : (band,) and (band, band) arrays
        Of the band levels, decibels.
    """

    rules: tuple[str, ...]
    mean: Numbers
    std: Numbers
    correlation: Numbers
    product_mean: Numbers
    product_std: Numbers
    quantiles: Numbers
    band_mean: Numbers
    band_covariance: Numbers


@cache
def read() -> Calibration:
    """Return the calibration that comes with the package."""
    stored: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    numbers = {name: np.array(value) for name, value in stored.items() if name != "rules"}
    return Calibration(rules=tuple(stored["rules"]), **numbers)


def measure(n_sounds: int = N_SOUNDS, seed: int = SEED) -> Calibration:
    """Return the calibration measured on a catalogue of synthetic sounds."""
    found = [_clip_means(render(spec, SAMPLE_RATE)) for spec in catalogue(n_sounds, seed)]
    rules, products, bands = (np.stack(column) for column in zip(*found, strict=True))
    standardised = (rules - rules.mean(axis=0)) / rules.std(axis=0)
    return Calibration(
        rules=tuple(RULES),
        mean=rules.mean(axis=0),
        std=rules.std(axis=0),
        correlation=np.corrcoef(rules.T),
        product_mean=products.mean(axis=0),
        product_std=products.std(axis=0),
        quantiles=np.quantile(standardised, _SHARES, axis=0).T,
        band_mean=bands.mean(axis=0),
        band_covariance=np.cov(bands.T),
    )


def write(path: Path = _FILE) -> None:
    """Measure and write ``calibration.json``, numbers rounded to 4 digits."""
    fields = {
        name: value if isinstance(value, tuple) else np.round(value, 4).tolist()
        for name, value in asdict(measure()).items()
    }
    path.write_text(json.dumps(fields), encoding="utf-8")


@torch.no_grad()
def _clip_means(waveform: NDArray[np.float32]) -> tuple[Numbers, Numbers, Numbers]:
    fine, quick = TwoSpectrograms()(torch.from_numpy(waveform)[None])
    values, band_power = RuleBank()(fine, quick)
    products = torch.einsum("brt,bst->brs", values, values) / values.shape[-1]
    return _numbers(values.mean(dim=-1)), _numbers(products), _numbers(levels_db(band_power).mean(dim=-1))


def _numbers(tensor: Tensor) -> Numbers:
    return tensor[0].double().numpy()
