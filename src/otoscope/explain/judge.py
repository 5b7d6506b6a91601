"""What does the network say of what a mask keeps, and of what it leaves? The one test that every mask is put to.

With the sound's complex spectrum X, the gain g of a mask and a filling Y (:mod:`otoscope.explain.removal`) the network
hears g X + (1 - g) Y, and the same for the mask 1 - M; the probabilities of both are measured against those of the
whole sound by :mod:`otoscope.metrics.faithfulness`. Masks of one sound are heard in batches.
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
        """Return the outputs ``(mask, class)`` for what masks keep and for what they leave."""
        stack = torch.from_numpy(np.asarray(masks, np.float32)).to(spectrum.device)
        found = self.heard(spectrum, torch.cat([stack, 1 - stack]), fill, n_samples)
        return found[: len(stack)], found[len(stack) :]

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
