"""How much does recording cost beside the bare forward pass, and what does decoding add?

The two of a pair run in turn on the same decoded clips, each first in every other pair. The ratio is the median of the
pairs' ratios, because a shared machine changes its speed between pairs more than within one; its lowest and highest
pair stand beside it. ``cpu_ratio`` is that of the processor's time, which other programs disturb less. ``recording``
is the real job: hooks, pooling, counts, ranks, traces, arrays and summaries written to disk. Its one-time set-up
(probing the layers, hashing the weights, creating the arrays) is not in the ratio. The compact network hears the
recordings three times, as clips of their own, so that a run has some blocks, as a collection such as ESC-50 has.

``bare`` is the network as PyTorch runs it by itself. Recording keeps the memory that layers free (``otoscope.heap``),
which alone can make it faster than that; ``ratio_kept`` is beside a bare pass that keeps it, too, so it shows what
hooks and statistics cost.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.sounds import recordings, repeated
from otoscope import heap
from otoscope.data.clips import Clips
from otoscope.data.decode import Batch, Decoding, batches
from otoscope.models import cnn
from otoscope.models.audio_model import AudioModel
from otoscope.record.config import RecordConfig
from otoscope.record.job import Job, create_arrays, hear
from otoscope.record.layers import resolve
from otoscope.record.probe import probe, run
from otoscope.record.stage import identify, record
from otoscope.store import run as runs
from otoscope.work import blocks


def compact_cnn(clips: Clips) -> AudioModel:
    """Return the compact CNN with random weights."""
    return cnn.build(tuple(clips.label_sets[0].classes) if clips.label_sets else ("a", "b")).eval()


def ast_base(folder: Path) -> AudioModel:
    """Return a random transformer of AST-base's size, through a checkpoint on disk like any other."""
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    from otoscope.models import open_model

    path = folder / "ast-base"
    if not path.is_dir():
        torch.manual_seed(0)
        ASTForAudioClassification(ASTConfig(num_labels=10)).save_pretrained(path)
        ASTFeatureExtractor().save_pretrained(path)
    return open_model(f"hf:{path}")


def decoded(model: AudioModel, clips: Clips, batch_size: int, block: int) -> list[Batch]:
    """Return the clips' batches, all in memory."""
    return list(
        batches(
            clips, Decoding(model.sample_rate, length=model.clip_length), batch_size=batch_size, block=block
        )
    )


def bare(model: AudioModel, stream: list[Batch]) -> None:
    """Run the network on every batch and keep nothing, as PyTorch does it by itself."""
    model.eval()
    for batch in stream:
        run(model, torch.from_numpy(batch.waveforms), torch.from_numpy(batch.lengths))


def bare_kept(model: AudioModel, stream: list[Batch]) -> None:
    """Run the network on every batch in memory that is kept, as recording does it (``otoscope.heap``)."""
    with heap.kept():
        bare(model, stream)


def prepared(model: AudioModel, clips: Clips, config: RecordConfig, out: Path) -> Job:
    """Return a fresh recording job: probed, its run folder and arrays made."""
    shutil.rmtree(out, ignore_errors=True)
    layers, _ = probe(model, resolve(model, config.layers))
    job = Job(model, layers, clips, runs.create(out, identify(model, clips, layers, config, out)), config)
    create_arrays(job)
    job.summaries.mkdir()
    return job


def recording(job: Job, stream: list[Batch]) -> None:
    """Record every batch: all blocks written, their summaries included."""
    for _ in hear(job, blocks.plan(len(job.clips), job.config.block), stream):
        pass


def best_of(repeats: int, *jobs: Callable[[], None]) -> list[float]:
    """Return the best time of each job, the jobs run in turn."""
    best = [float("inf")] * len(jobs)
    for _ in range(repeats):
        for i, job in enumerate(jobs):
            started = time.perf_counter()
            job()
            best[i] = min(best[i], time.perf_counter() - started)
    return best


def timed(job: Callable[[], None]) -> tuple[float, float]:
    """Return the wall time of a job and the processor's time of all threads."""
    started, used = time.perf_counter(), time.process_time()
    job()
    return time.perf_counter() - started, time.process_time() - used


def ratios(
    times: list[tuple[float, float]], others: list[tuple[float, float]]
) -> tuple[list[float], list[float]]:
    """Return the ratios of paired times: of the clock's and of the processor's."""
    wall, cpu = ([one[i] / other[i] for one, other in zip(times, others, strict=True)] for i in range(2))
    return wall, cpu


def compare(
    model: AudioModel, clips: Clips, patterns: tuple[str, ...], folder: Path, repeats: int, batch_size: int
) -> dict[str, Any]:
    """Return the bare and the recording time of one network and choice of layers, and their ratio."""
    config = RecordConfig(layers=patterns, batch_size=batch_size, workers=0)
    stream = decoded(model, clips, batch_size, config.block)
    bare(model, stream[:1])
    plain, kept, hooked = [], [], []
    for turn in range(repeats):
        job = prepared(model, clips, config, folder / "run")
        three = [
            (plain, lambda: bare(model, stream)),
            (hooked, lambda job=job: recording(job, stream)),
            (kept, lambda: bare_kept(model, stream)),
        ]
        for times, one in three if turn % 2 == 0 else reversed(three):
            times.append(timed(one))
    layers, _ = probe(model, resolve(model, patterns))
    (wall, cpu), (wall_kept, cpu_kept) = (ratios(one, hooked) for one in (plain, kept))
    return {
        "layers": len(layers),
        "neurons": sum(one.n_neurons for one in layers),
        "clips": len(clips),
        "bare_s": statistics.median(one[0] for one in plain),
        "recording_s": statistics.median(one[0] for one in hooked),
        "bare_kept_s": statistics.median(one[0] for one in kept),
        "ratio": statistics.median(wall),
        "ratio_lowest": min(wall),
        "ratio_highest": max(wall),
        "cpu_ratio": statistics.median(cpu),
        "ratio_kept": statistics.median(wall_kept),
        "ratio_kept_lowest": min(wall_kept),
        "ratio_kept_highest": max(wall_kept),
        "cpu_ratio_kept": statistics.median(cpu_kept),
    }


def with_decoding(model: AudioModel, clips: Clips, folder: Path) -> dict[str, Any]:
    """Return the time of the whole record stage from files beside decoding alone and forward alone.

    Each has cores of its own: one process decodes, the other cores are the network's. Where both may use all cores
    and fill them, nothing but their sum is possible.
    """
    threads, workers = torch.get_num_threads(), 1
    stream = decoded(model, clips, 32, 256)
    decoding = Decoding(model.sample_rate, length=model.clip_length)

    def decode() -> None:
        for _ in batches(clips, decoding, batch_size=32, workers=workers):
            pass

    def whole() -> None:
        shutil.rmtree(folder / "whole", ignore_errors=True)
        record(model, clips, folder / "whole", RecordConfig(evidence_clips=0, workers=workers))

    torch.set_num_threads(max(1, threads - workers))
    try:
        decode_s, forward_s, whole_s = best_of(3, decode, lambda: bare(model, stream), whole)
    finally:
        torch.set_num_threads(threads)
    return {
        "clips": len(clips),
        "threads": max(1, threads - workers),
        "decoding_processes": workers,
        "decode_alone_s": decode_s,
        "forward_alone_s": forward_s,
        "record_stage_s": whole_s,
        "over_slower": whole_s / max(decode_s, forward_s),
        "over_sum": whole_s / (decode_s + forward_s),
    }


def measure(quick: bool) -> dict[str, Any]:
    """Return all figures of this file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips, origin = recordings(folder, 64 if quick else 400)
        network = compact_cnn(clips)
        repeats = 2 if quick else 6
        figures: dict[str, Any] = {"sound": origin, "threads": torch.get_num_threads()}
        many = repeated(clips, 3)
        figures["cnn_declared"] = compare(network, many, ("*",), folder, repeats, 32)
        figures["cnn_every_leaf"] = compare(network, many, ("**",), folder, repeats, 32)
        figures["cnn_from_files"] = with_decoding(network, many, folder)
        few = clips.select(limit=16 if quick else 96)
        figures["ast_base_declared"] = compare(ast_base(folder), few, ("*",), folder, 1 if quick else 2, 8)
    return figures
