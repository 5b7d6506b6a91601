"""A dictionary of spectra with what it was learnt on: rate, STFT, domain, classes. On disk a folder.

``dictionary.json``, format version 1::

    format_version   1
    kind             "nmf-dictionary"
    spectrogram      sample_rate, n_fft, hop_length, win_length, window, ...: checked where the dictionary is used
    domain           "log1p" or "linear": what V was
    n_components     columns
    labels           class that each component was learnt on, or null
    weights_hash     sha256 of the spectra
    encoder          widths of the amortised encoder's hidden layers; absent where there is none
    origin           JSON-able: settings, data, or the file it was imported from

``dictionary.safetensors`` holds ``spectra`` (frequency, component) and, of an encoder, ``encoder.<name>``. Official
``.npy`` dictionaries are read by :func:`from_npy`. A dictionary meets a sound only on its own spectrogram: 513 bins at
44.1 kHz end at 22 kHz, the same bins at 16 kHz at 8 kHz, and nothing in the shape tells (SpeechBrain's recipe mixes the
two up).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from otoscope.audio.stft import StftSettings
from otoscope.errors import EmptyDataError, FormatError, InputError
from otoscope.explain.amortised import AmortisedEncoder
from otoscope.explain.explanation import DOMAINS, Domain
from otoscope.explain.nmf import NmfConfig, activations_of, factorise, unit
from otoscope.explain.spectrogram import Spectrogram
from otoscope.store import manifest, tensors
from otoscope.store.hashing import sha256_json

FORMAT_VERSION = 1
MANIFEST, ARRAYS = "dictionary.json", "dictionary.safetensors"
MASK_EPS = 1e-6

Encoder = Callable[[Tensor], Tensor]
"""Features ``(clip, frequency, frame)`` to activations ``(clip, component, frame)``: an amortised encoder."""


@dataclass(frozen=True)
class Dictionary:
    """Spectra of unit length, and what they are spectra of.

    Attributes
    ----------
    spectra : Tensor, shape (frequency, component)
        Not negative, columns of unit length.
    spectrogram : Spectrogram
        Rate and STFT it was learnt with.
    domain : {"log1p", "linear"}
        Whether V was log1p of the magnitude or the magnitude.
    labels : tuple of str or None
        Class each component was learnt on; None for all: a joint dictionary.
    origin : dict
        JSON-able.
    encoder : callable or None
        Gives activations at once; None: multiplicative updates.
    """

    spectra: Tensor
    spectrogram: Spectrogram
    domain: Domain = "log1p"
    labels: tuple[str, ...] | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    encoder: Encoder | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is no dictionary on this spectrogram."""
        rows = self.spectrogram.settings.n_frequencies
        if self.spectra.ndim != 2 or self.spectra.shape[0] != rows or not self.spectra.shape[1]:
            raise InputError(
                f"expected spectra ({rows} frequencies, component) for n_fft {self.spectrogram.settings.n_fft}, got "
                f"{tuple(self.spectra.shape)}"
            )
        if not bool(self.spectra.isfinite().all()) or bool((self.spectra < 0).any()):
            raise InputError("spectra are finite and not negative")
        lengths = self.spectra.norm(dim=0)
        if bool(((lengths - 1).abs() > 1e-3).any()):
            raise InputError(
                f"columns have unit length, got {float(lengths.min()):.4g} .. {float(lengths.max()):.4g}"
            )
        if self.labels is not None and len(self.labels) != self.n_components:
            raise InputError(f"{self.n_components} components and {len(self.labels)} labels")
        if self.domain not in DOMAINS:
            raise InputError(f"a dictionary is of 'linear' or 'log1p' magnitudes, got {self.domain!r}")

    @property
    def n_components(self) -> int:
        """Columns."""
        return int(self.spectra.shape[1])

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each component: its number, and the class it was learnt on."""
        labels = self.labels or ("",) * self.n_components
        return tuple(f"component {i}{' of ' + one if one else ''}" for i, one in enumerate(labels))

    def features(self, magnitude: Tensor) -> Tensor:
        """Return what was factorised: log1p of the magnitude, or the magnitude."""
        return magnitude.log1p() if self.domain == "log1p" else magnitude

    def activations(self, magnitude: Tensor, *, sparsity: float = 0.0, iterations: int = 100) -> Tensor:
        """Return the activations ``(clip, component, frame)`` of magnitudes ``(clip, frequency, frame)``."""
        values = self.features(magnitude)
        if self.encoder is not None:
            found = self.encoder(values)
            wanted = (len(values), self.n_components, values.shape[2])
            if tuple(found.shape) != wanted or bool((found < 0).any()):
                raise InputError(f"the encoder gave {tuple(found.shape)}, expected {wanted}, not negative")
            return found
        return activations_of(values, self.spectra.to(values), sparsity=sparsity, iterations=iterations)

    def mask(self, activations: Tensor, chosen: Tensor | None = None, eps: float = MASK_EPS) -> Tensor:
        """Return the share of chosen components in the whole, ``(clip, frequency, frame)``, as one array.

        Parameters
        ----------
        activations : Tensor, shape (clip, component, frame)
            Not negative.
        chosen : Tensor of bool or float, shape (clip, component) or (component,), optional
            Which components, or with what weight in [0, 1]; None: all.
        eps : float
            Added to the denominator; 1e-6 in the authors' L2I, 1e-10 in SpeechBrain's.

        Notes
        -----
        Two matrix products, whatever the number of components: no array per component is made.
        """
        spectra = self.spectra.to(activations)
        weights = activations if chosen is None else activations * chosen.to(activations)[..., :, None]
        return (spectra @ weights) / (spectra @ activations + eps)

    def component_mask(self, activations: Tensor, index: int, eps: float = MASK_EPS) -> Tensor:
        """Return the share of one component, ``(clip, frequency, frame)``."""
        spectra = self.spectra.to(activations)
        alone = spectra[:, index, None] * activations[:, index, None, :]
        return alone / (spectra @ activations + eps)

    def save(self, folder: Path | str) -> None:
        """Write the dictionary to a folder, with its encoder where that is an :class:`AmortisedEncoder`."""
        place = Path(folder)
        spectra = self.spectra.detach().cpu().float().numpy()
        encoder = self.encoder if isinstance(self.encoder, AmortisedEncoder) else None
        tensors.write(place / ARRAYS, {"spectra": spectra, **({} if encoder is None else encoder.arrays())})
        content = {
            "format_version": FORMAT_VERSION,
            "kind": "nmf-dictionary",
            "spectrogram": self.spectrogram.to_json(),
            "domain": self.domain,
            "n_components": self.n_components,
            "labels": None if self.labels is None else list(self.labels),
            "weights_hash": _hash(spectra),
            "origin": dict(self.origin),
        }
        if encoder is not None:
            content["encoder"] = {"hidden": list(encoder.hidden), "weights_hash": encoder.hash()}
        manifest.write(place / MANIFEST, content)

    @classmethod
    def load(cls, folder: Path | str, on: Spectrogram | None = None) -> Self:
        """Return the dictionary in a folder.

        Parameters
        ----------
        folder : path
            Written by :meth:`save`.
        on : Spectrogram, optional
            The one it is to be used on; another one is refused.

        Raises
        ------
        FormatError
            If it was written by a newer version, or the arrays are not those of the manifest.
        InputError
            If it was learnt at another rate or STFT than ``on``.
        """
        place = Path(folder)
        content = manifest.read(place / MANIFEST)
        version = content.get("format_version")
        if content.get("kind") != "nmf-dictionary" or not isinstance(version, int):
            raise FormatError(f"{place / MANIFEST} does not describe a dictionary of spectra")
        if version > FORMAT_VERSION:
            raise FormatError(
                f"{place} is a dictionary of format {version}; this Otoscope reads up to {FORMAT_VERSION}"
            )
        arrays = tensors.read(place / ARRAYS)
        spectra = arrays["spectra"]
        if _hash(spectra) != content["weights_hash"]:
            raise FormatError(f"{place / ARRAYS} is not the file that {MANIFEST} names")
        found = Spectrogram.from_json(content["spectrogram"])
        if on is not None:
            on.require(found, f"the dictionary {place}")
        labels = None if content["labels"] is None else tuple(content["labels"])
        encoder = None
        if "encoder" in content:
            encoder = AmortisedEncoder(
                spectra.shape[0], spectra.shape[1], tuple(content["encoder"]["hidden"])
            )
            encoder.take(arrays, content["encoder"]["weights_hash"], place / ARRAYS)
        return cls(torch.from_numpy(spectra), found, content["domain"], labels, content["origin"], encoder)


def from_npy(
    path: Path | str,
    *,
    sample_rate: int = 44100,
    settings: StftSettings | None = None,
    labels: Sequence[str] | None = None,
) -> Dictionary:
    """Return a dictionary released as ``.npy`` (L2I's: 513 x K, 44.1 kHz, 1024/512, log1p).

    Negative values are set to 0, as the published decoders do, and columns brought to length 1; dead ones are refused.

    Raises
    ------
    FormatError
        If the file is no plain table of numbers.
    """
    try:
        array = np.load(Path(path), allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} cannot be read as an array: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or not np.issubdtype(array.dtype, np.number):
        raise FormatError(f"{path} is no table (frequency, component) of numbers")
    spectra = torch.from_numpy(np.maximum(array, 0).astype(np.float32))
    if bool((spectra.norm(dim=0) == 0).any()):
        raise FormatError(f"{path} has components without any positive value")
    on = Spectrogram(settings or StftSettings(1024, 512), sample_rate)
    origin = {"file": Path(path).name, "n_negative": int((array < 0).sum())}
    return Dictionary(unit(spectra), on, "log1p", None if labels is None else tuple(labels), origin)


def learn(
    waveforms: Tensor,
    on: Spectrogram,
    config: NmfConfig | None = None,
    *,
    labels: Sequence[str] | None = None,
    domain: Domain = "log1p",
    n_frames: int | None = 20000,
) -> Dictionary:
    """Return a dictionary of sounds: joint, or, where ``labels`` are given, learnt class by class.

    Parameters
    ----------
    waveforms : Tensor, shape (clip, channel, time)
        At the spectrogram's rate.
    on : Spectrogram
        The one that it will be used on.
    config : NmfConfig, optional
        Components (of each class, where there are classes), sparsity.
    labels : sequence of str, optional
        Class of each clip.
    domain : {"log1p", "linear"}
    n_frames : int, optional
        Frames at most that are factorised at a time, drawn by the seed; None: all.
    """
    how = NmfConfig.of(config)
    if labels is not None and len(labels) != len(waveforms):
        raise InputError(f"{len(waveforms)} clips and {len(labels)} labels")
    magnitude = torch.cat([on.spectrum(one.mean(0)).abs()[None] for one in waveforms])
    values = magnitude.log1p() if domain == "log1p" else magnitude
    spectra, names = [], []
    for one in [None] if labels is None else list(dict.fromkeys(labels)):
        mine = [i for i in range(len(values)) if labels is None or labels[i] == one]
        spectra.append(factorise(drawn(values[mine], n_frames, how.seed), how).spectra)
        names.append(one)
    origin = {"nmf": how.model_dump(mode="json"), "n_clips": len(waveforms), "n_frames": n_frames}
    return joined(spectra, names, on, domain, origin)


def joined(
    spectra: Sequence[Tensor],
    labels: Sequence[str | None],
    on: Spectrogram,
    domain: Domain,
    origin: Mapping[str, Any],
) -> Dictionary:
    """Return the spectra of several classes, ``(frequency, component)`` each, as one dictionary.

    Parameters
    ----------
    spectra : sequence of Tensor
        Columns of unit length; a dead one is refused.
    labels : sequence of str or None
        Class of each; None: of no class.
    on, domain, origin
        As in :class:`Dictionary`.
    """
    together = torch.cat(list(spectra), 1)
    if bool((together.norm(dim=0) < 0.5).any()):
        raise EmptyDataError("some components died while learning; use fewer components or more sound")
    names = [str(label) for label, one in zip(labels, spectra, strict=True) for _ in range(one.shape[1])]
    return Dictionary(together, on, domain, None if None in labels else tuple(names), origin)


def drawn(values: Tensor, n_frames: int | None, seed: int) -> Tensor:
    """Return frames ``(frequency, frame)`` of clips ``(clip, frequency, frame)``, silent ones left out."""
    frames = values.movedim(0, 1).flatten(1)  # (frequency, frame)
    frames = frames[:, frames.amax(0) > 0]
    if n_frames is None or frames.shape[1] <= n_frames:
        return frames
    chosen = torch.randperm(frames.shape[1], generator=torch.Generator().manual_seed(seed))[:n_frames]
    return frames[:, chosen.sort().values]


def _hash(spectra: np.ndarray[Any, Any]) -> str:
    return sha256_json([list(spectra.shape), np.ascontiguousarray(spectra, "<f4").tobytes().hex()])
