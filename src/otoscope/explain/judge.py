"""What does the network say of what a mask keeps, and of what it leaves? The one test that every mask is put to.

With the sound's complex spectrum X, the gain g of a mask and a filling Y (:mod:`otoscope.explain.removal`) the network
hears g X + (1 - g) Y, and the same for the mask 1 - M; the probabilities of both are measured against those of the
whole sound by :mod:`otoscope.metrics.faithfulness`. Masks of any sounds are heard in batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.explain.controls import roughness
from otoscope.explain.explanation import gain
from otoscope.explain.hearing import Reentry, outputs
from otoscope.explain.removal import edited
from otoscope.explain.spectrogram import Spectrogram
from otoscope.metrics import faithfulness, sparsity
from otoscope.models.audio_model import AudioModel

MEASURES = (
    "average_increase",
    "average_drop",
    "average_drop_published",
    "average_gain",
    "faithfulness",
    "input_fidelity",
    "top_3_fidelity",
    "faithfulness_published",
    "input_fidelity_published",
)
ROUNDING = 1e-4
"""A class's probability has increased where it did by more than this: resynthesis alone changes it by about 1e-6."""
OF_MASK = ("mask_size", "sparseness", "complexity", "energy_share", "roughness")


@dataclass(frozen=True)
class _Sources:
    """Spectra of sounds ``(sound, channel, frequency, frame)``, and what fills removed bins; None: silence."""

    spectrum: Tensor
    fill: Tensor | None

    def at(self, places: Tensor) -> _Sources:
        """Return some of the sounds."""
        return _Sources(self.spectrum[places], None if self.fill is None else self.fill[places])

    def edited(self, passed: Tensor) -> Tensor:
        """Return what gains ``(mask, 1, frequency, frame)`` leave of the sounds, filled."""
        return self.spectrum * passed if self.fill is None else edited(self.spectrum, passed, self.fill)


def _owners(owners: NDArray[np.int64], spectra: Tensor) -> Tensor:
    """Return the sound of each mask; one, which is not copied, where it is the same for all."""
    same = bool((owners == owners[0]).all())
    return torch.from_numpy(owners[:1] if same else owners).to(spectra.device)


@dataclass(frozen=True)
class Judge:
    """Puts masks of one sound to the test.

    Attributes
    ----------
    model : AudioModel
        In evaluation mode.
    on : Spectrogram
        What the masks lie on.
    domain : str
        What they multiply.
    entry : {"sound", "magnitude"}
        How an edited spectrum re-enters, see :class:`otoscope.explain.hearing.Reentry`.
    activation : {"softmax", "sigmoid"}
        From outputs to probabilities.
    batch_size : int
        Sounds a forward pass.
    """

    model: AudioModel
    on: Spectrogram
    domain: str
    entry: str = "sound"
    activation: str = "softmax"
    batch_size: int = 16

    def probabilities(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probabilities of outputs ``(..., class)``."""
        return probabilities(logits, self.activation)

    def heard(self, spectrum: Tensor, masks: Tensor, fill: Tensor, n_samples: int) -> NDArray[np.float64]:
        """Return the network's output ``(mask, class)`` for what each mask keeps of one sound.

        Parameters
        ----------
        spectrum, fill : Tensor, shape (1, channel, frequency, frame)
            Complex.
        masks : Tensor, shape (mask, frequency, frame)
            In [0, 1].
        n_samples : int
            Length of the sound.
        """
        found = []
        reentry = Reentry(self.model, self.on, self.entry, n_samples)
        magnitude = spectrum.abs() if self.domain == "log1p" else spectrum.real  # a linear mask asks for none
        silent = not bool(torch.view_as_real(fill).any())
        with torch.no_grad():
            for part in masks[:, None].split(self.batch_size):  # type: ignore[no-untyped-call]
                passed = gain(part, magnitude, self.domain)
                kept = spectrum * passed if silent else edited(spectrum, passed, fill)
                if reentry.by_magnitude:
                    found.append(reentry.output(kept.abs().mean(1), kept.mean(1)))
                else:
                    found.append(outputs(self.model, self.on.sound(kept, n_samples)))
        return np.asarray(torch.cat(found).double().cpu().numpy())

    def both(
        self, spectrum: Tensor, masks: NDArray[Any], fill: Tensor, n_samples: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the outputs ``(mask, class)`` for what masks of one sound keep and for what they leave."""
        return self.pairs(spectrum, masks, np.zeros(len(masks), np.int64), fill, n_samples)

    def pairs(
        self,
        spectra: Tensor,
        masks: NDArray[Any],
        owners: NDArray[np.int64],
        fills: Tensor,
        n_samples: int,
        waveforms: Tensor | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the outputs ``(mask, class)`` for what masks of several sounds keep and for what they leave.

        Parameters
        ----------
        spectra, fills : Tensor, shape (sound, channel, frequency, frame)
            Complex.
        masks : array (mask, frequency, frame)
            In [0, 1].
        owners : array of int (mask,)
            The sound of each mask.
        n_samples : int
            Length of the sounds.
        waveforms : Tensor, shape (sound, channel, time), optional
            What the spectra resynthesise to, where that is at hand: spares an inverse transform.
        """
        reentry = Reentry(self.model, self.on, self.entry, n_samples)
        sources = _Sources(spectra, fills if bool(torch.view_as_real(fills).any()) else None)
        kept, left, at_once = [], [], max(1, self.batch_size // 2)
        with torch.no_grad():
            whole = self._whole(sources, waveforms, reentry)
            for start in range(0, len(masks), at_once):
                few = np.asarray(masks[start : start + at_once], np.float32)
                mask = torch.from_numpy(few).to(spectra.device)[:, None]
                own = _owners(owners[start : start + at_once], spectra)
                heard = self._of_pairs(mask, sources.at(own), None if whole is None else whole[own], reentry)
                kept.append(heard[: len(mask)])
                left.append(heard[len(mask) :])
        first, second = (np.asarray(torch.cat(one).double().cpu().numpy()) for one in (kept, left))
        return first, second

    def _whole(self, sources: _Sources, waveforms: Tensor | None, reentry: Reentry) -> Tensor | None:
        """Return the sound of everything with all that fills it ``(sound, channel, time)``; None where it is no sum.

        Gains of a linear mask and of the rest add up to 1, so that the rest's sound is this one less the mask's.
        """
        if self.domain != "linear" or reentry.by_magnitude:
            return None
        own = self.on.sound(sources.spectrum, reentry.n_samples) if waveforms is None else waveforms
        return own if sources.fill is None else own + self.on.sound(sources.fill, reentry.n_samples)

    def _of_pairs(self, mask: Tensor, sources: _Sources, whole: Tensor | None, reentry: Reentry) -> Tensor:
        """Return the outputs for what each mask keeps, then for what each leaves."""
        if whole is not None:
            kept = self.on.sound(sources.edited(mask), reentry.n_samples)
            return outputs(self.model, torch.cat([kept, whole - kept]))
        size = sources.spectrum.abs()
        sides = [sources.edited(gain(one, size, self.domain)) for one in (mask, 1 - mask)]
        heard = torch.cat(sides)
        if reentry.by_magnitude:
            return reentry.output(heard.abs().mean(1), heard.mean(1))
        return outputs(self.model, self.on.sound(heard, reentry.n_samples))

    def shapes(self, masks: NDArray[Any], magnitude: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """Return size, sparseness, complexity, share of energy and roughness of masks ``(mask, frequency, frame)``."""
        energy = self.passed(masks, magnitude)
        total = float(np.square(magnitude, dtype=np.float64).sum())
        share = energy.sum((1, 2)) / total if total else np.full(len(masks), np.nan)
        rough = np.array([roughness(one) for one in masks])
        return {**sparsity.evaluate(masks), "energy_share": share, "roughness": rough}

    def passed(self, masks: NDArray[Any], magnitude: NDArray[Any]) -> NDArray[np.float64]:
        """Return the energy that masks pass in each bin, ``(mask, frequency, frame)``."""
        return np.square(self.gains(masks, magnitude) * np.asarray(magnitude, np.float64))

    def gains(self, masks: NDArray[Any], magnitude: NDArray[Any]) -> NDArray[np.float64]:
        """Return the gain of masks on a magnitude, ``(mask, frequency, frame)``."""
        stack = torch.from_numpy(np.asarray(masks, np.float32))
        found = gain(stack, torch.from_numpy(np.asarray(magnitude, np.float32))[None], self.domain)
        return np.asarray(found.numpy(), dtype=np.float64)


def measures(
    p: NDArray[np.float64], p_in: NDArray[np.float64], p_out: NDArray[np.float64], target: NDArray[np.int64]
) -> Mapping[str, NDArray[np.float64]]:
    """Return every one of :data:`MEASURES` per row; probabilities ``(row, class)``, targets ``(row,)``.

    Those that end in ``published`` are as the SpeechBrain recipes compute them: the average drop of probabilities that
    went through softmax twice, AMT's faithfulness of mask-in, L2I's input fidelity to class 0.
    """
    found = faithfulness.evaluate(p, p_in, p_out, target, tolerance=ROUNDING)
    return {
        **found,
        "average_drop_published": faithfulness.average_drop(p, p_in, target, variant="double-softmax"),
        "top_3_fidelity": faithfulness.top_k_fidelity(p, p_in, 3).astype(np.float64),
        "faithfulness_published": faithfulness.faithfulness(p, p_in, target),
        "input_fidelity_published": faithfulness.input_fidelity(p, p_in, reference="class-0"),
    }


def probabilities(logits: NDArray[Any], activation: str) -> NDArray[np.float64]:
    """Return probabilities of outputs ``(clip, class)`` by ``softmax`` or ``sigmoid``."""
    return faithfulness.softmax(logits) if activation == "softmax" else faithfulness.sigmoid(logits)
