"""Everything that is kept of one explanation: sounds, pictures, scores beside controls, parts.

``scores.json`` says what the network says of the input, the explanation and the remainder (probabilities of the
classes it finds most probable in any of the three, and of the explained one), the measures of
:mod:`otoscope.metrics.faithfulness` for the mask and for its controls (random controls: mean and middle 95 % over
draws), how each sound sounds, and the parts in order of relevance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.audio.write import encode
from otoscope.errors import InputError
from otoscope.explain.controls import Case, control
from otoscope.explain.drawn import pictures
from otoscope.explain.explanation import Explanation
from otoscope.explain.hearing import outputs
from otoscope.explain.judge import Judge, measures
from otoscope.explain.listen import Sounds, listen, sound_of
from otoscope.explain.removal import filling
from otoscope.explain.request import DRAWN, Aim, ExplainConfig, class_name
from otoscope.explain.sounding import faults, sounding
from otoscope.models.audio_model import AudioModel
from otoscope.store.explanations import json_bytes
from otoscope.store.hashing import sha256_json

_SHOWN_CLASSES, _SHOWN_PARTS = 5, 20


@dataclass(frozen=True)
class Content:
    """The files of an explanation, its mask, and what it is remembered by."""

    files: dict[str, bytes]
    mask: NDArray[np.float32]


def content(
    model: AudioModel,
    waveform: Tensor,
    found: Explanation,
    aim: Aim,
    how: ExplainConfig,
    identity: Mapping[str, Any],
    title: str,
) -> Content:
    """Return the files of one explanation.

    Parameters
    ----------
    model : AudioModel
        In evaluation mode.
    waveform : Tensor, shape (1, channel, time)
        The whole clip.
    found : Explanation
        Of that clip.
    aim : Aim
        What was explained.
    how : ExplainConfig
    identity : mapping
        What ``explanation.json`` says of clip, network and method.
    title : str
        Of the overlay.

    Raises
    ------
    InputError
        If a sound is not as long as the clip, or holds NaN.
    """
    heard = listen(found, waveform, how.listening)
    original = waveform[0].cpu().numpy()
    files, sounds = _sound_files(heard, original)
    spectrum = found.spectrogram.spectrum(waveform)
    magnitude = spectrum.abs().mean(1)[0].cpu().numpy()
    mask = found.mask[0].float().cpu().numpy()
    judge = Judge(model, found.spectrogram, found.domain, activation=how.squashing, batch_size=how.batch_size)
    scores = _scores(judge, waveform, spectrum, mask, magnitude, aim, how)
    parts, part_files = _parts(found, waveform, how)
    head = {
        **identity,
        "spectrogram": found.spectrogram.to_json(),
        "domain": found.domain,
        "n_frames": int(mask.shape[1]),
        "facts": dict(found.facts),
        "sample_rate": found.spectrogram.sample_rate,
        "duration_s": waveform.shape[-1] / found.spectrogram.sample_rate,
    }
    files |= part_files | pictures(magnitude, mask, found.spectrogram, title)
    files["scores.json"] = json_bytes({**scores, "sounds": sounds, "parts": parts})
    files["explanation.json"] = json_bytes(head)
    return Content(files, mask)


def _sound_files(heard: Sounds, original: NDArray[np.float32]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the three sounds as FLAC, and how each sounds; all are turned down together where one would clip."""
    waves = {name: getattr(heard, name)[0].cpu().numpy() for name in ("explanation", "remainder", "original")}
    for name, wave in waves.items():
        wrong = [one for one in faults(wave, original) if one != "is silent"]
        if wrong:
            raise InputError(f"the {name} {' and '.join(wrong)}: nothing was written")
    down = 1.0 / max(1.0, *(float(np.abs(wave).max()) for wave in waves.values()))
    files = {f"{name}.flac": encode(wave * down, heard.sample_rate, "flac") for name, wave in waves.items()}
    gains = heard.gain_db[0].cpu().numpy() + 20 * np.log10(down)
    described = {
        name: {
            **sounding(wave, heard.sample_rate),
            "gain_db": float(gain),
            "silent": bool(faults(wave, original)),
        }
        for (name, wave), gain in zip(waves.items(), gains, strict=True)
    }
    return files, described


def _scores(
    judge: Judge,
    waveform: Tensor,
    spectrum: Tensor,
    mask: NDArray[np.float32],
    magnitude: NDArray[np.float32],
    aim: Aim,
    how: ExplainConfig,
) -> dict[str, Any]:
    """Return what the network says, and the measures of the mask and its controls."""
    names, masks = _with_controls(mask, magnitude, how)
    n_samples = waveform.shape[-1]
    fill = filling(how.removal, spectrum, None, how.seed).to(spectrum)
    with torch.no_grad():
        whole = outputs(judge.model, waveform).double().cpu().numpy()
    kept, left = judge.both(spectrum, masks, fill, n_samples)
    rows: dict[str, NDArray[np.float64]] = dict(judge.shapes(masks, magnitude))
    if aim.index is not None:
        p = judge.probabilities(np.repeat(whole, len(masks), axis=0))
        target = np.full(len(masks), aim.index)
        rows |= measures(p, judge.probabilities(kept), judge.probabilities(left), target)
    said = {"input": whole[0], "explanation": kept[0], "remainder": left[0]}
    return {
        "probabilities": _probabilities(judge, said, aim),
        "value": {name: _value(aim, one) for name, one in said.items()},
        "measures": {name: float(values[0]) for name, values in rows.items()},
        "controls": [
            _control(name, rows, [i for i, one in enumerate(names) if one == name]) for name in how.controls
        ],
    }


def _with_controls(
    mask: NDArray[np.float32], magnitude: NDArray[np.float32], how: ExplainConfig
) -> tuple[list[str], NDArray[np.float32]]:
    """Return the mask and its controls, random ones several times, with the name of each ("" for the mask)."""
    case = Case(mask, magnitude)
    names, masks = [""], [mask]
    for place, name in enumerate(how.controls):
        for draw in range(how.draws if name in DRAWN else 1):
            made = control(
                name, case, int(np.random.SeedSequence([how.seed, place, draw]).generate_state(1)[0])
            )
            if made is not None:
                names.append(name)
                masks.append(np.asarray(made, np.float32))
    return names, np.stack(masks)


def _control(name: str, rows: Mapping[str, NDArray[np.float64]], places: list[int]) -> dict[str, Any]:
    """Return the mean of a control's draws, and their middle 95 % where it was drawn several times."""
    found: dict[str, Any] = {"control": name, "draws": len(places)}
    for measure, values in rows.items():
        drawn = values[places][np.isfinite(values[places])]
        low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) > 1 else (None, None)
        found[measure] = {
            "mean": float(drawn.mean()) if drawn.size else None,
            "low": None if low is None else float(low),
            "high": None if high is None else float(high),
        }
    return found


def _probabilities(judge: Judge, said: Mapping[str, NDArray[np.float64]], aim: Aim) -> list[dict[str, Any]]:
    """Return the probabilities of the shown classes: the explained one, and the most probable of each sound."""
    p = {name: judge.probabilities(one[None])[0] for name, one in said.items()}
    best = [int(place) for one in p.values() for place in np.argsort(-one, kind="stable")[:_SHOWN_CLASSES]]
    first = [] if aim.index is None else [aim.index]
    shown = sorted(dict.fromkeys(best), key=lambda place: (-max(one[place] for one in p.values()), place))
    chosen = list(dict.fromkeys([*first, *shown]))[: 2 * _SHOWN_CLASSES]
    named = [(place, {"class": class_name(judge.model, place), "index": place}) for place in chosen]
    return [one | {name: float(values[place]) for name, values in p.items()} for place, one in named]


def _value(aim: Aim, output: NDArray[np.float64]) -> float:
    """Return the explained number: the output of the class, or the function's value."""
    if aim.function is None:
        return float(output[aim.index or 0])
    return float(aim.function(torch.from_numpy(output[None]).float())[0])


def _parts(
    found: Explanation, waveform: Tensor, how: ExplainConfig
) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """Return the parts in order of relevance, and the sounds of the first ``how.parts`` of them."""
    if found.parts is None:
        return None, {}
    relevance, chosen = found.parts.relevance[0].double().cpu().numpy(), found.parts.chosen[0].cpu().numpy()
    order = np.argsort(-relevance, kind="stable")
    n_shown = max(_SHOWN_PARTS, int(chosen.sum()), how.parts)
    listed, files = [], {}
    for place, index in enumerate(order[:n_shown].tolist()):
        name = found.parts.names[index]
        one = {
            "index": index,
            "name": name,
            "relevance": float(relevance[index]),
            "chosen": bool(chosen[index]),
        }
        if place < how.parts:
            wave = sound_of(found.parts.mask(index), waveform, found, how.listening)[0].cpu().numpy()
            one["sound"] = (
                f"parts/{place:02d}-{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-') or 'part'}.flac"
            )
            one |= sounding(wave, found.spectrogram.sample_rate)
            files[str(one["sound"])] = encode(wave, found.spectrogram.sample_rate, "flac", clipping="scale")
        listed.append(one)
    counts = {"n_parts": len(relevance), "n_chosen": int(chosen.sum()), "listed": listed}
    return counts, files


def aim_identity(aim: Aim) -> dict[str, Any]:
    """Return what tells a target apart, JSON-able."""
    return {key: value for key, value in asdict(aim).items() if key != "function"}


def hash_of(identity: Mapping[str, Any]) -> str:
    """Return the 64 hexadecimal digits that name an explanation."""
    return sha256_json(identity)
