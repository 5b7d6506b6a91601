"""What do explanations cost: one mask of 100 components, the scores of a set, one trained explanation as sound?

``components``   mask and sound of one clip given H and W (100 components, 431 frames of 513 bins), beside the component
                 spectrograms of the authors' equations: r_k = W_k H_k / (W H + eps), V_k = r_k V, the kept V_k summed;
                 both end with the same inverse transform. Memory is the growth of the process's peak, in fresh
                 processes.
``scoring``      AI, AD, AG, FF, Fid-In and the measures of the mask for a set of clips whose masks are given, beside
                 the bare passes of the classifier on the same number of sounds (whole, kept and left).
                 ``with_controls_ratio``: the same with all nine controls, whose random masks are not measures.
``lmac`` ...     a trained, CPU-sized explainer: explanation and remainder of one clip of 5 s, both written as FLAC,
                 beside the classifier's pass of that clip.

Times of one ratio are taken in turn, several times; the ratio is of the smallest ones. Scoring is measured in seconds
of the processor, because it takes too long to be left alone on a shared machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.sounds import recordings
from otoscope.audio.stft import StftSettings
from otoscope.audio.write import write
from otoscope.data.clips import Clips
from otoscope.explain import CONTROLS
from otoscope.explain.dictionary import MASK_EPS, Dictionary
from otoscope.explain.explanation import Explainer, Explanation
from otoscope.explain.listen import Listening, listen, sound_of
from otoscope.explain.nmf import unit
from otoscope.explain.score import ScoreConfig, score
from otoscope.explain.sounds import Sounds
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.target import Target
from otoscope.explain.train_explainer import train_explainer
from otoscope.explain.windows import explain
from otoscope.models import cnn
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent

N_COMPONENTS, N_KEPT, N_SAMPLES = 100, 20, 430 * 512
N_PASSES_WITH_CONTROLS = 1 + 2 * (1 + len(CONTROLS))
ON = Spectrogram(StftSettings(1024, 512), 44100)
SMALL = {
    "lmac": {"epochs": 1, "batch_size": 8},
    "piq": {"epochs": 1, "batch_size": 8},
    "l2i": {"epochs": 1, "batch_size": 8},
}
"""Trainings that are short: what an explanation costs does not depend on what was learnt."""


def factors() -> tuple[Dictionary, Tensor, Tensor, Tensor]:
    """Return a dictionary, activations, the kept components and a waveform, made up from a seed."""
    generator = torch.Generator().manual_seed(0)
    spectra = unit(torch.rand(ON.settings.n_frequencies, N_COMPONENTS, generator=generator))
    active = torch.rand(1, N_COMPONENTS, ON.n_frames(N_SAMPLES), generator=generator)
    kept = torch.arange(N_COMPONENTS)[None] % (N_COMPONENTS // N_KEPT) == 0
    return Dictionary(spectra, ON), active, kept, 0.1 * torch.randn(1, 1, N_SAMPLES, generator=generator)


def by_components(dictionary: Dictionary, active: Tensor, kept: Tensor, waveform: Tensor) -> Tensor:
    """Return the explanation's sound ``(1, 1, time)`` by one spectrogram for each component."""
    spectrum = ON.spectrum(waveform)[:, 0]
    magnitude = spectrum.abs()
    whole = dictionary.spectra @ active[0] + MASK_EPS
    ratios = [torch.outer(w, h) / whole for w, h in zip(dictionary.spectra.T, active[0])]
    parts = torch.stack([ratio * magnitude[0].log1p() for ratio in ratios])  # (component, frequency, frame)
    passed = parts[kept[0]].sum(0).expm1()
    return ON.sound((passed * torch.exp(1j * spectrum.angle()))[:, None], waveform.shape[-1])


def by_one_mask(dictionary: Dictionary, active: Tensor, kept: Tensor, waveform: Tensor) -> Tensor:
    """Return the explanation's sound ``(1, 1, time)`` by one combined mask."""
    explanation = Explanation(dictionary.mask(active, kept).clamp(0, 1), ON, dictionary.domain)
    return sound_of(explanation.mask, waveform, explanation, Listening())


def least(
    repeats: int, *jobs: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Return the least seconds of each job, the jobs done in turn."""
    best = [float("inf")] * len(jobs)
    for _ in range(repeats):
        for place, job in enumerate(jobs):
            started = clock()
            job()
            best[place] = min(best[place], clock() - started)
    return best


_MEMORY = """
import sys
from pathlib import Path
import torch
from benchmarks import explaining
def peak_kb():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
given = explaining.factors()
explaining.ON.sound(explaining.ON.spectrum(given[3]), explaining.N_SAMPLES)
before = peak_kb()
getattr(explaining, sys.argv[1])(*given)
print(peak_kb() - before)
"""


def growth_mb(job: str) -> float:
    """Return by how much the peak of a fresh process grows, in MB."""
    done = subprocess.run([sys.executable, "-c", _MEMORY, job], check=True, capture_output=True, text=True)
    return float(done.stdout) / 1024


def components(repeats: int) -> dict[str, Any]:
    """Return time and memory of both ways, and how far their sounds are apart."""
    given = factors()
    apart = by_components(*given) - by_one_mask(*given)
    slow, fast = least(repeats, lambda: by_components(*given), lambda: by_one_mask(*given))
    figures: dict[str, Any] = {"components_s": slow, "one_mask_s": fast, "ratio": slow / fast}
    figures["largest_difference"] = float(apart.abs().max())
    if Path("/proc/self/status").exists():
        many, one = growth_mb("by_components"), growth_mb("by_one_mask")
        figures |= {"components_mb": many, "one_mask_mb": one, "memory_ratio": many / max(one, 0.1)}
    return figures


class Given:
    """An explainer whose masks are ready: a soft band around 1 kHz."""

    def __call__(self, model: AudioModel, waveform: Tensor, target: Target = None) -> Explanation:
        """Return the same mask for each clip."""
        on = Spectrogram.of(model)
        band = torch.exp(-((on.frequencies_hz() / 1000 - 1) ** 2)).float()
        mask = band[None, :, None].expand(len(waveform), -1, on.n_frames(waveform.shape[-1]))
        return Explanation(mask, on)


def scoring(model: AudioModel, clips: Clips, repeats: int) -> dict[str, Any]:
    """Return what scoring a set costs beside its passes, and what all nine controls add; 16 clips at a time."""
    sounds = Sounds.of(clips, model)
    plain = ScoreConfig(controls=(), removals=("zero",))

    def passes(waveforms: Tensor) -> None:
        with lent(model), torch.no_grad():
            for part in waveforms.repeat(3, 1, 1).split(plain.batch_size):
                model(part)

    bare = scored = 0.0
    for few in parts_of(sounds, 16):
        heard = torch.from_numpy(few.waveforms)
        times = least(
            repeats,
            lambda heard=heard: passes(heard),
            lambda few=few: score(model, few, {"given": Given()}, plain),
            clock=time.process_time,
        )
        bare, scored = bare + times[0], scored + times[1]
    first, every = next(parts_of(sounds, 16)), ScoreConfig(removals=("zero",))
    (controlled,) = least(1, lambda: score(model, first, {"given": Given()}, every), clock=time.process_time)
    per_pass = bare / len(sounds.waveforms) / 3
    return {
        "clips": len(sounds.waveforms),
        "passes_s": bare,
        "scoring_s": scored,
        "ratio": scored / bare,
        "with_controls_ratio": controlled / (len(first.waveforms) * per_pass * N_PASSES_WITH_CONTROLS),
    }


def parts_of(sounds: Sounds, size: int) -> Iterator[Sounds]:
    """Yield the clips ``size`` at a time."""
    for start in range(0, len(sounds.waveforms), size):
        part = slice(start, start + size)
        yield Sounds(sounds.waveforms[part], list(sounds.groups)[part])


def listening(
    model: AudioModel, explainer: Explainer, clip: Tensor, folder: Path, repeats: int
) -> dict[str, Any]:
    """Return what one explanation with its sounds costs beside a pass."""

    def bare() -> None:
        with lent(model), torch.no_grad():
            model(clip)

    def whole() -> None:
        sounds = listen(explain(explainer, model, clip), clip)
        for name in ("explanation", "remainder"):
            write(
                folder / f"{name}.flac",
                getattr(sounds, name)[0].numpy(),
                sounds.sample_rate,
                clipping="scale",
            )

    passed, explained = least(repeats, bare, whole)
    return {"pass_s": passed, "explanation_s": explained, "passes": explained / passed}


def measure(quick: bool) -> dict[str, Any]:
    """Return all figures of this file."""
    repeats = 3 if quick else 7
    threads = torch.get_num_threads()
    figures: dict[str, Any] = {"threads": threads, "components": components(repeats)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips, figures["sound"] = recordings(folder, 40 if quick else 400)
        model = cnn.build(tuple(clips.label_sets[0].classes) if clips.label_sets else ("a", "b")).eval()
        figures["scoring"] = scoring(model, clips, repeats)
        clip = torch.from_numpy(Sounds.of(clips, model, [0]).waveforms)
        for method, options in SMALL.items():
            few = clips.select(limit=16)
            explainer = train_explainer(method, model, few, folder / method, options)
            figures[method] = listening(model, explainer, clip, folder, 3 * repeats)
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(quick="--quick" in sys.argv[1:]), indent=2))
