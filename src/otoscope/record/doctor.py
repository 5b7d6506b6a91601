"""Is this network ready to be recorded on these sounds? Checked before hours are spent.

Hooks must not change the logits nor the weights, every layer must fire, clicks and tones must be found where the
geometry puts them, and the sounds must fit the network's rate and clip length. Time, memory and disk are estimated
from a few real clips.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.data.decode import Batch, Decoding, batches
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.models.weights import hash_weights
from otoscope.record.config import RecordConfig
from otoscope.record.events import has_time
from otoscope.record.forward import Listener
from otoscope.record.hooks import lent
from otoscope.record.layers import resolve
from otoscope.record.probe import ProbedLayer, noise, probe, probe_samples, run
from otoscope.record.reduce import Wanted
from otoscope.record.stimuli import Placed, place_layers

CLIPS_TRIED = 32
FAILURES_SHOWN = 3
_COUNT = 4  # bytes of an uint32


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes
    ----------
    name : str
        What was checked.
    verdict : {"ok", "warning", "failed"}
        ``failed`` means that a recording would be wrong or impossible.
    detail : str
        One sentence for a person.
    figures : dict
        The numbers behind it, JSON-able.
    """

    name: str
    verdict: Literal["ok", "warning", "failed"]
    detail: str
    figures: dict[str, Any] = field(default_factory=dict)


def examine(
    model: AudioModel | str, clips: Clips | str, config: RecordConfig | Mapping[str, Any] | None = None
) -> tuple[Check, ...]:
    """Return what was found, worst last where order allows; the model is given back as it was lent.

    Parameters
    ----------
    model : AudioModel or str
        The network, or the text that names it.
    clips : Clips or str
        The sounds, or the text that names them; the first 32, spread over the table, are decoded.
    config : RecordConfig or dict, optional
        The recording that is planned.
    """
    model, clips, config = model_of(model), clips_of(clips), RecordConfig.of(config)
    before = hash_weights(model)
    layers, left_out = probe(model, resolve(model, config.layers))
    hooked = _check_logits(model, layers, config)
    heard, n_tried, decode_s = _decoded(model, clips, config)
    return (
        _check_layers(layers, left_out),
        hooked,
        _check_weights(before, hash_weights(model)),
        _check_geometry(place_layers(model, layers), layers),
        _check_sound(heard, n_tried, model),
        _check_cost(model, clips, layers, config, heard, decode_s),
    )


def cost(model: AudioModel, clips: Clips, layers: tuple[ProbedLayer, ...], config: RecordConfig) -> Check:
    """Return the finding about time, disk and memory alone, from a few real clips.

    Parameters
    ----------
    model : AudioModel
        Given back as it was lent.
    clips : Clips
    layers : tuple of ProbedLayer
        What will be recorded.
    config : RecordConfig
    """
    heard, _, decode_s = _decoded(model, clips, config)
    return _check_cost(model, clips, layers, config, heard, decode_s)


def _decoded(model: AudioModel, clips: Clips, config: RecordConfig) -> tuple[list[Batch], int, float]:
    """Return a few clips, spread over the table, as batches; how many; and the seconds that took."""
    tried = clips.select(limit=CLIPS_TRIED)
    decoding = Decoding(model.sample_rate, config.channels, config.quality, model.clip_length)
    started = time.perf_counter()
    heard = list(batches(tried, decoding, batch_size=config.batch_size))
    return heard, len(tried), time.perf_counter() - started


def _check_layers(layers: tuple[ProbedLayer, ...], left_out: dict[str, str]) -> Check:
    n_neurons = sum(one.n_neurons for one in layers)
    figures = {"layers": len(layers), "neurons": n_neurons, "left_out": left_out}
    detail = f"{len(layers)} layers with {n_neurons} neurons fire once in a forward pass"
    if left_out:
        listed = "; ".join(f"{name} {reason}" for name, reason in list(left_out.items())[:5])
        return Check("layers", "warning", f"{detail}; {len(left_out)} left out: {listed}", figures)
    return Check("layers", "ok", detail, figures)


def _check_logits(model: AudioModel, layers: tuple[ProbedLayer, ...], config: RecordConfig) -> Check:
    waveform = noise(model, 2, probe_samples(model))
    with lent(model):
        plain = run(model, waveform)
        wanted = [Wanted("mean", True, 8, False) for _ in layers]
        listener = Listener(model, layers, wanted)
        listener.hear(_as_batch(waveform, model.sample_rate))
        hooked = run(model, waveform)
    equal = torch.equal(plain, hooked)
    detail = (
        "logits are bit-identical with and without hooks"
        if equal
        else "logits change when hooks are in place"
    )
    return Check("logits", "ok" if equal else "failed", detail)


def _as_batch(waveform: torch.Tensor, sample_rate: int) -> Batch:
    sound = waveform.cpu().numpy()
    n, _, samples = sound.shape
    seconds = np.full(n, samples / sample_rate)
    return Batch(
        rows=np.arange(n),
        starts_s=np.zeros(n),
        keep_s=np.stack([np.zeros(n), seconds], axis=1),
        durations_s=seconds,
        waveforms=sound,
        lengths=np.full(n, samples),
        source_rates=np.full(n, sample_rate),
    )


def _check_weights(before: str, after: str) -> Check:
    if before == after:
        return Check("weights", "ok", f"weights unchanged ({before[:12]})", {"hash": before})
    return Check("weights", "failed", "the network changed its own weights or buffers in a forward pass")


def _check_geometry(placed: tuple[Placed, ...], layers: tuple[ProbedLayer, ...]) -> Check:
    wrong_time = [one.layer for one in placed if one.time_agrees is False]
    wrong_pitch = [one.layer for one in placed if one.frequency_agrees is False]
    approximate = [one.name for one in layers if one.geometry.approximate and one.geometry.n_time > 1]
    figures = {
        one.layer: {
            "measured_stride_s": _number(one.stride_s),
            "measured_offset_s": _number(one.offset_s),
            "click_error_s": _number(one.error_s),
            "tolerance_s": one.tolerance_s,
            "tones_hz": [list(tone[:2]) for tone in one.tones],
        }
        for one in placed
    }
    timed = sum(one.time_agrees is not None for one in placed)
    if wrong_time or wrong_pitch:
        parts = (
            [f"clicks are not where the geometry puts them in {', '.join(wrong_time)}"] if wrong_time else []
        )
        parts += (
            [f"tones are not at their rows' frequency in {', '.join(wrong_pitch)}"] if wrong_pitch else []
        )
        return Check("geometry", "warning", "; ".join(parts), figures)
    note = f"; {len(approximate)} inferred in proportion" if approximate else ""
    where = {0: "no layer has time", 1: "clicks found in time in the 1 layer that has time"}
    found = where.get(timed, f"clicks found in time in all {timed} layers that have time")
    return Check("geometry", "ok", f"{found}{note}", figures)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _check_sound(heard: list[Batch], n_tried: int, model: AudioModel) -> Check:
    failures = [failure for batch in heard for failure in batch.failures]
    rates = np.concatenate([batch.source_rates for batch in heard])
    durations = np.concatenate([batch.durations_s for batch in heard])
    figures = {
        "tried": n_tried,
        "failed": len(failures),
        "failures": [{"id": one.id, "reason": one.reason} for one in failures],
        "rates_hz": sorted({int(rate) for rate in rates}),
        "median_duration_s": float(np.median(durations)) if len(durations) else None,
        "model_rate_hz": model.sample_rate,
        "model_length_s": model.clip_length.length_s,
    }
    if len(failures) == n_tried:
        return Check("sound", "failed", f"no clip can be decoded: {failures[0].reason}", figures)
    if failures:
        shown = "; ".join(f"{one.id}: {one.reason}" for one in failures[:FAILURES_SHOWN])
        more = " ..." if len(failures) > FAILURES_SHOWN else ""
        text = f"{len(failures)} of {n_tried} clips cannot be decoded: {shown}{more}"
        return Check("sound", "warning", text, figures)
    low = [rate for rate in figures["rates_hz"] if rate < model.sample_rate]  # type: ignore[attr-defined]
    if low:
        text = (
            f"sounds at {low[0]} Hz hold nothing above {low[0] // 2} Hz, "
            f"the network hears up to {model.sample_rate // 2} Hz"
        )
        return Check("sound", "warning", text, figures)
    length = model.clip_length.length_s
    if length is not None and len(durations) and np.median(durations) < 0.5 * length:
        text = (
            f"half the clips are shorter than {np.median(durations):.2f} s; "
            f"the network takes {length:g} s, the rest is padding"
        )
        return Check("sound", "warning", text, figures)
    return Check("sound", "ok", f"{n_tried} clips decoded, rates {figures['rates_hz']} Hz", figures)


def _check_cost(
    model: AudioModel,
    clips: Clips,
    layers: tuple[ProbedLayer, ...],
    config: RecordConfig,
    heard: list[Batch],
    decode_s: float,
) -> Check:
    full = [batch for batch in heard if len(batch.rows)]
    if not full:
        return Check("cost", "failed", "no estimate: nothing could be decoded")
    wanted = [Wanted(config.pooling, config.counts == "clip", 8, config.skip_silence) for _ in layers]
    with lent(model):
        listener = Listener(model, layers, wanted, config.precision)
        listener.hear(full[0])
        started = time.perf_counter()
        for batch in full[:3]:
            listener.hear(batch)
        forward_s = time.perf_counter() - started
    n_forward = len({int(row) for batch in full[:3] for row in batch.rows})
    n_decoded = len({int(row) for batch in full for row in batch.rows})
    per_clip = max(forward_s / n_forward, decode_s / n_decoded)
    disk = disk_bytes(clips, layers, config)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    figures = {
        "forward_s_per_clip": forward_s / n_forward,
        "decode_s_per_clip": decode_s / n_decoded,
        "estimate_s": per_clip * len(clips),
        "disk_bytes_before_compression": disk,
        "peak_memory_bytes": peak,
    }
    counted = f"{len(clips)} clip" + ("s" if len(clips) != 1 else "")
    detail = (
        f"about {per_clip * len(clips):.0f} s for {counted}, {disk / 1e6:.0f} MB on disk before compression, "
        f"{peak / 1e6:.0f} MB of memory so far"
    )
    return Check("cost", "ok", detail, figures)


def disk_bytes(clips: Clips, layers: tuple[ProbedLayer, ...], config: RecordConfig) -> int:
    """Return the size of a recording's arrays before compression: activations, counts by clip and by event."""
    n_neurons, total = sum(one.n_neurons for one in layers), 0
    if config.store == "pooled":
        total += len(clips) * n_neurons * (2 if config.dtype == "float16" else 4)
    if config.counts == "clip":
        total += len(clips) * (n_neurons + len(layers)) * _COUNT
    if config.events != "none" and clips.events is not None:
        timed = sum(one.n_neurons for one in layers if has_time(one.geometry))
        total += clips.events.height * (timed + len(layers)) * _COUNT
    return total
