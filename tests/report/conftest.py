"""A fake run folder, written exactly as the contract of the run folder says, for the report's tests.

Its neurons are band detectors: neuron j follows the energy of one mel-like band, so peaks lie where the picture
shows them; some are signed, some dead, some noise. Names, labels and reasons carry HTML.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile

from otoscope.store import arrays, run, tables, tensors

RATE_HZ = 16_000
STRIDE_S = 0.02
EVIL = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>&\"'"
BANDS = ("low rumble", "humming", "a voice", "bright chirping", "hissing", EVIL)
ACOUSTIC = "acoustic-0a1b2c3d"
METHOD = "db-soft_wpmi-4e5f6a7b"


@dataclass(frozen=True)
class FakeLayer:
    """One layer to fake; ``timeless`` layers have one position, ``flat`` ones no hertz."""

    name: str
    n_neurons: int
    signed: bool = False
    timeless: bool = False
    flat: bool = False


@dataclass(frozen=True)
class FakeSound:
    """One sound with its table entries."""

    id: str
    label: str
    samples: np.ndarray
    sample_rate: int = RATE_HZ
    extras: dict[str, Any] = field(default_factory=dict)


def make_sounds(n: int, duration_s: float = 1.2) -> list[FakeSound]:
    """Return ``n`` short sounds: tones that rise with the row, noise and a beep in silence; row 1 is named evilly."""
    rng, time_s = np.random.default_rng(7), np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    found = []
    for row in range(n):
        tone = 0.3 * np.sin(2 * np.pi * (150 + 6500 * row / n) * time_s) * (time_s > 0.4 * (row % 3))
        noise = 0.02 * (1 + row % 4) * rng.standard_normal(len(time_s))
        name = f"sounds/{row:04d}.wav" if row != 1 else f"sounds/{EVIL}.wav"
        extras = {
            "author": f"Ada {row} {EVIL}",
            "license": "CC BY 3.0",
            "source": f"https://example.org/{row}",
        }
        found.append(
            FakeSound(
                name, ("tone", "noise", EVIL)[row % 3], (tone + noise).astype(np.float32), extras=extras
            )
        )
    return found


def band_energy(samples: np.ndarray, sample_rate: int, n_bands: int) -> tuple[np.ndarray, np.ndarray]:
    """Return log energy (frame, band) of geometrically spaced bands, and their centres in hertz."""
    hop = int(STRIDE_S * sample_rate)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, hop), 2 * hop)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(2 * hop))) ** 2
    edges = np.geomspace(80, 0.48 * sample_rate, n_bands + 1)
    bins = np.fft.rfftfreq(2 * hop, 1 / sample_rate)
    weights = np.stack([np.clip(1 - np.abs(bins - c) / (0.3 * c + 30), 0, None) for c in edges[:-1]])
    return np.log10(power @ weights.T + 1e-4) + 4, np.sqrt(edges[:-1] * edges[1:])


def _layer(
    layer: FakeLayer, sounds: list[FakeSound], failed: set[int], rng: np.random.Generator, k: int
) -> dict[str, Any]:
    n_bands = min(layer.n_neurons, 24)
    traces, centres = [], np.zeros(n_bands)
    for sound in sounds:
        energy, centres = band_energy(sound.samples, sound.sample_rate, n_bands)
        traces.append(energy.mean(0, keepdims=True) if layer.timeless else energy)
    n_frames = max(len(trace) for trace in traces)
    whole = np.full((len(sounds), n_frames, n_bands), np.nan, np.float32)
    for row, trace in enumerate(traces):
        whole[row, : len(trace)] = trace
    band = np.arange(layer.n_neurons) % n_bands
    gain = rng.uniform(0.5, 2, layer.n_neurons).astype(np.float32)
    gain[:: max(9, layer.n_neurons // 20)] = 0.0  # dead neurons
    shift = np.nanmean(whole) * gain if layer.signed else 0.0
    pooled = np.nanmean(whole, axis=1)[:, band] * gain - shift
    pooled += (gain > 0) * rng.normal(0, 0.02, pooled.shape)
    pooled[sorted(failed)] = np.nan
    evidence: dict[str, np.ndarray] = {}
    usable = np.array([row for row in range(len(sounds)) if row not in failed])
    for pole, sign in (("top", -1), ("bottom", 1)):
        order = usable[np.argsort(sign * pooled[usable], axis=0, kind="stable")[:k]].T  # (neuron, rank)
        ranked = np.full((layer.n_neurons, k), -1, np.int64)
        ranked[:, : order.shape[1]] = order
        trace = np.stack([whole[ranked[j], :, band[j]] * gain[j] for j in range(layer.n_neurons)])
        trace = trace - (shift[:, None, None] if layer.signed else 0.0)
        peak = np.nanargmax(np.where(np.isnan(trace), -np.inf, -sign * trace), axis=2)
        values = np.take_along_axis(pooled.T, np.maximum(ranked, 0), axis=1)
        evidence[f"{pole}_rows"] = ranked
        evidence[f"{pole}_values"] = np.where(ranked < 0, np.nan, values).astype(np.float32)
        evidence[f"{pole}_peak_s"] = ((peak + 0.5) * STRIDE_S).astype(np.float32)
        hertz = np.broadcast_to(centres[band][:, None], peak.shape)
        no_hertz = layer.flat or layer.timeless
        evidence[f"{pole}_peak_hz"] = np.where(no_hertz, np.nan, hertz).astype(np.float32)
        evidence[f"{pole}_traces"] = trace.astype(np.float16)
        evidence[f"{pole}_span_s"] = (np.isfinite(trace).sum(axis=2) * STRIDE_S).astype(np.float32)
    spans = [(np.nanmin(column), max(np.nanmax(column), np.nanmin(column) + 1e-6)) for column in pooled.T]
    binned = [np.histogram(c[~np.isnan(c)], bins=20, range=s) for c, s in zip(pooled.T, spans, strict=True)]
    evidence["histogram"] = np.stack([counts for counts, _ in binned]).astype(np.int64)
    evidence["histogram_edges"] = np.stack([edges for _, edges in binned]).astype(np.float32)
    return {"pooled": pooled.astype(np.float32), "evidence": evidence}


def _neuron_rows(layer: FakeLayer, pooled: np.ndarray, first: int) -> pl.DataFrame:
    mean, std = np.nanmean(pooled, 0), np.nanstd(pooled, 0)
    n = layer.n_neurons
    return pl.DataFrame(
        {
            "neuron": np.arange(first, first + n),
            "layer": [layer.name] * n,
            "index": np.arange(n),
            "n_clips": np.full(n, int((~np.isnan(pooled[:, 0])).sum())),
            "mean": mean,
            "std": std,
            "skewness": np.zeros(n),
            "kurtosis": np.zeros(n),
            "min": np.nanmin(pooled, 0),
            "max": np.nanmax(pooled, 0),
            "share_positive": np.nanmean(pooled > 0, 0),
            "dead": std == 0,
            "silent": np.nanmax(pooled, 0) <= 0,
            "signed": [layer.signed] * n,
        }
    )


def _described(neurons: pl.DataFrame, concepts: tuple[str, ...], rng: np.random.Generator) -> pl.DataFrame:
    rows = []
    for one in neurons.filter(~pl.col("dead")).iter_rows(named=True):
        for pole in ("high", "low") if one["signed"] else ("high",):
            best = [*np.roll(np.array(concepts, dtype=object), -(one["index"] + (pole == "low")))][:5]
            strength = float(rng.beta(2, 2))
            heldout = float(np.clip(strength * 0.9 + rng.normal(0, 0.1), -0.3, 0.97))
            p = max(1 / 1001, float(10 ** (-4 * strength)))
            testable = bool(rng.uniform() > 0.03)
            rows.append(
                {k: one[k] for k in ("neuron", "layer", "index")}
                | {"pole": pole, "concept": best[0], "score": 0.4 * strength, "margin": 0.05 * strength}
                | {"top_concepts": best, "top_scores": [0.4 * strength - 0.03 * i for i in range(len(best))]}
                | {"p": p, "q": min(1.0, 1.6 * p), "testable": testable, "heldout_pearson": heldout}
                | {"heldout_low": heldout - 0.15, "heldout_high": min(0.99, heldout + 0.12)}
                | {"heldout_auprc_gain": 0.5 * heldout, "heldout_auroc": 0.5 + 0.4 * heldout}
                | {"control_pearson": float(rng.normal(0, 0.12)), "n_describe": 20, "n_score": 18}
                | {"flags": "" if testable else "not testable;k clamped to 20"}
            )
    return pl.DataFrame(rows, schema_overrides={"top_scores": pl.List(pl.Float32)})


SUMMARY, OPEN, ODD = "summary-11111111", "open-22222222", "guess-33333333"


def write_other_methods(root: Path, layer: str = "blocks.1", index: int = 3) -> None:
    """Add what further methods say of one neuron, hostile texts among it."""
    own = tables.read(root / "descriptions" / f"{METHOD}.parquet").filter(
        layer=layer, index=index, pole="high"
    )
    neuron = own.select("neuron", "layer", "index", "pole")
    scores = {"heldout_pearson": 0.4, "heldout_low": 0.1, "heldout_high": 0.6, "control_pearson": 0.2}
    shared = neuron.with_columns(
        **{k: pl.lit(v) for k, v in scores.items()}, n_score=pl.lit(18), flags=pl.lit("tied")
    )
    sentences = [
        {
            "text": f"A steady hum {EVIL}.",
            "status": "kept",
            "cosine": 0.31,
            "matched": "Silence.",
            "evidence": "hum: 9 of 10 clips",
        },
        {
            "text": "It is loud.",
            "status": "removed",
            "cosine": 0.83,
            "matched": "They are loud.",
            "evidence": None,
        },
        {
            "text": "Sure, here it is.",
            "status": "boilerplate",
            "cosine": None,
            "matched": None,
            "evidence": None,
        },
    ]
    opposite = [
        {"text": "They are loud.", "status": "matched", "evidence": None},
        {"text": "Silence.", "status": "kept", "evidence": None},
    ]
    summary = shared.with_columns(
        summary=pl.lit(f"A steady hum {EVIL}."),
        sentences=pl.Series([sentences]),
        low_sentences=pl.Series([opposite]),
        threshold=pl.lit(0.6),
        reason=pl.lit(None, dtype=pl.String),
    )
    tables.write(root / "descriptions" / f"{SUMMARY}.parquet", summary)
    words = {
        "open_concepts": [["steady", EVIL]],
        "adjectives": [["steady", EVIL, "Dutch"]],
        "unjudged": [[]],
        "nouns": [["hum"]],
    }
    tables.write(
        root / "descriptions" / f"{OPEN}.parquet",
        shared.with_columns(**{k: pl.Series(v) for k, v in words.items()}),
    )
    odd = neuron.with_columns(text=pl.lit("a guess"), mood=pl.lit("calm"), weight=pl.lit(0.25))
    tables.write(root / "descriptions" / f"{ODD}.parquet", odd)


def _measured(sounds: list[FakeSound], failed: set[int]) -> pl.DataFrame:
    rows = []
    for row, sound in enumerate(sounds):
        spectrum = np.abs(np.fft.rfft(sound.samples))
        hertz = np.fft.rfftfreq(len(sound.samples), 1 / sound.sample_rate)
        ok = row not in failed
        rows.append(
            {"row": row, "id": sound.id, "text": f"a sound, {sound.label}" if ok else None}
            | {"status": "ok" if ok else "failed", "reason": None if ok else f"silent {EVIL}"}
            | {"level_db": 20 * np.log10(np.sqrt(np.mean(sound.samples**2)) + 1e-9) if ok else None}
            | {"centroid_hz": float((hertz * spectrum).sum() / spectrum.sum()) if ok else None}
            | {"silence_share": float((np.abs(sound.samples) < 1e-3).mean()) if ok else None}
            | {"pitch_hz": float(hertz[spectrum.argmax()]) if ok and row % 3 else None}
        )
    return pl.DataFrame(rows)


def _clip_rows(sounds: list[FakeSound], failed: set[int]) -> pl.DataFrame:
    rows = []
    for row, sound in enumerate(sounds):
        bad = row in failed
        rows.append(
            {
                "row": row,
                "id": sound.id,
                "path": sound.id,
                "start_s": None,
                "end_s": None,
                "group": str(row // 2),
            }
            | {"fold": row % 5 + 1, "split": None, "label": sound.label, **sound.extras}
            | {"duration_s": None if bad else len(sound.samples) / sound.sample_rate}
            | {"sample_rate": None if bad else sound.sample_rate, "status": "failed" if bad else "ok"}
            | {"reason": f"no samples in {EVIL}" if bad else None}
        )
    schema = {"start_s": pl.Float64, "end_s": pl.Float64, "split": pl.String, "reason": pl.String}
    return pl.DataFrame(rows, schema_overrides=schema)


def write_run(
    root: Path,
    layers: list[FakeLayer],
    sounds: list[FakeSound],
    *,
    failed: tuple[int, ...] = (2,),
    k: int = 8,
    concepts: tuple[str, ...] = BANDS,
    model: str = f"demo:{EVIL}",
    data: str = "folder:sounds",
    classes: tuple[str, ...] = ("tone", "noise", EVIL),
) -> Path:
    """Write a whole run to ``root`` and return it."""
    rng, lost = np.random.default_rng(3), set(failed)
    geometry = {"axes": "BCFT", "stride_s": STRIDE_S, "offset_s": STRIDE_S / 2, "approximate": False}
    identity = {
        "model": {"spec": model, "weights_hash": "ab" * 32, "sample_rate": RATE_HZ, "classes": list(classes)},
        "data": {"spec": data, "hash": "cd" * 32, "n_clips": len(sounds), "group_declared": False}
        | {"label_sets": [{"name": "label", "classes": sorted({s.label for s in sounds}), "kind": "single"}]},
        "layers": [
            {"name": one.name, "n_neurons": one.n_neurons, "pooling": "mean", "geometry": geometry}
            for one in layers
        ],
        "seed": 0,
    }
    made = run.create(root, identity)
    tables.write(root / "clips.parquet", _clip_rows(sounds, lost))
    neurons, ranked_rows = [], set()
    for one in layers:
        faked = _layer(one, sounds, lost, rng, k)
        stem = run.file_name(one.name)
        where = root / "activations" / f"{stem}.zarr"
        arrays.create_array(where, faked["pooled"].shape, "float32", 64)
        arrays.write_rows(where, 0, faked["pooled"])
        tensors.write(root / "evidence" / f"{stem}.safetensors", faked["evidence"])
        neurons.append(_neuron_rows(one, faked["pooled"], sum(len(table) for table in neurons)))
        for pole in ("top", "bottom"):
            ranked_rows |= set(faked["evidence"][f"{pole}_rows"].ravel().tolist())
    tables.write(root / "neurons.parquet", pl.concat(neurons))
    (root / "evidence" / "clips").mkdir()
    for row in sorted(ranked_rows - {-1}):
        path = root / "evidence" / "clips" / f"{row}.mp3"
        soundfile.write(path, sounds[row].samples, sounds[row].sample_rate, format="MP3")
    tables.write(root / "captions" / f"{ACOUSTIC}.parquet", _measured(sounds, lost))
    tables.write(root / "descriptions" / f"{METHOD}.parquet", _described(pl.concat(neurons), concepts, rng))
    run.commit_stage(made, "record", 1, {"top_k": k}, {}, ["neurons.parquet"])
    config = {
        "method": "db",
        "similarity": "soft_wpmi",
        "concepts": "acoustic",
        "captions": ACOUSTIC,
        "alpha": 0.05,
    }
    run.commit_stage(made, "describe", 1, config, {}, [f"descriptions/{METHOD}.parquet"])
    return root


SMALL = [
    FakeLayer("blocks.0", 12),
    FakeLayer("blocks.1", 16, signed=True),
    FakeLayer("logits", 3, True, True),
]


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three layers and 31 neurons on 24 clips, one of them failed."""
    return write_run(tmp_path_factory.mktemp("runs") / "small", SMALL, make_sounds(24))


@pytest.fixture(scope="session")
def said_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run, where neuron 3 of blocks.1 is described by four methods."""
    root = write_run(tmp_path_factory.mktemp("runs") / "said", SMALL, make_sounds(24))
    write_other_methods(root)
    return root


@pytest.fixture(scope="session")
def large_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 2,000 neurons in five layers on 60 clips."""
    layers = [FakeLayer(f"encoder.layers.{i}", 400, signed=i > 1, flat=i > 3) for i in range(5)]
    return write_run(tmp_path_factory.mktemp("runs") / "large", layers, make_sounds(60))


@pytest.fixture(scope="session")
def fake() -> Callable[..., Path]:
    """The writer itself, for runs of another shape: ``fake(root, layers, sounds, ...)``."""
    return write_run
