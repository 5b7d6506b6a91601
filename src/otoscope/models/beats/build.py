"""Open or make a BEATs: ``beats:FILE_OR_FOLDER``, or the architecture ``beats`` of ``otoscope train``.

FILE is a published checkpoint (``.pt``; self-supervised, fine-tuned, or Audio Network Dissection's wrapper with its
``fc``), FOLDER one that ``otoscope import-weights`` or ``otoscope train`` wrote. ``beats:FILE?length_s=10`` hears
clips in windows of 10 s; without it clips are heard whole, at a cost that grows with the square of their length.

Layers that ``*`` means, block by block: ``encoder.layers.N.fc1`` (before its activation), ``.fc2`` and the block's
output. After the activation: ``encoder.layers.N.activation_fn``. ``predictor`` has the logits of each token.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from otoscope.audio.windows import ClipLength
from otoscope.errors import InputError, ModelError, UnknownNameError
from otoscope.models import folder
from otoscope.models.audio_model import AudioModel
from otoscope.models.beats.front_end import PADDINGS, BeatsFrontEnd
from otoscope.models.beats.net import AVERAGES, Beats, Dropout, Size
from otoscope.models.geometry import Geometry
from otoscope.models.rows import middles_hz
from otoscope.models.spec_options import with_length


def load(rest: str, device: str = "cpu") -> AudioModel:
    """Return the BEATs in ``FILE_OR_FOLDER[?length_s=...]``, in evaluation mode, on ``device``.

    Raises
    ------
    InputError
        If the file does not exist or is no BEATs, or an option is unknown.
    FormatError
        If it cannot be read.
    ModelError
        If its keys are not exactly those of a BEATs, or a folder holds another network.
    """
    from otoscope.models.published import open_published

    name, length_s = with_length("beats", rest)
    model = folder.load(name) if Path(name).is_dir() else open_published(name, ("beats",))
    if model.config["architecture"] != "beats":
        raise ModelError(
            f"{name} holds a {model.config['architecture']}, not a BEATs: open it without 'beats:'"
        )
    if length_s is not None:
        model.clip_length = replace(model.clip_length, length_s=length_s)
    return model.to(device).eval()


def build(
    classes: tuple[str, ...],
    *,
    n_classes: int | None = None,
    dim: int = 768,
    hidden: int = 3072,
    depth: int = 12,
    heads: int = 12,
    patch: int = 16,
    patch_dim: int = 512,
    conv_pos: int = 128,
    conv_groups: int = 16,
    n_buckets: int = 320,
    max_distance: int = 800,
    deep_norm: bool = True,
    dropout: float = 0.1,
    attention_dropout: float = 0.1,
    layer_drop: float = 0.05,
    average: Literal["sound", "all"] = "sound",
    padding: Literal["published", "blocks"] = "published",
    clip_s: float | None = None,
    seed: int = 0,
) -> AudioModel:
    """Return an untrained network at 16 kHz.

    Parameters
    ----------
    classes : tuple of str
        Names of the output neurons.
    n_classes : int, optional
        Output neurons where they have no names; 0, or no classes either: an encoder without a head.
    dim, hidden, depth, heads, patch, patch_dim, conv_pos, conv_groups, n_buckets, max_distance, deep_norm
        See :class:`otoscope.models.beats.net.Size`.
    dropout, attention_dropout, layer_drop : float
        ``tokens``, ``attention`` and ``blocks`` of :class:`otoscope.models.beats.net.Dropout`.
    average : {"sound", "all"}
        Which tokens the logits average.
    padding : {"published", "blocks"}
        See :mod:`otoscope.models.beats.front_end`.
    clip_s : float, optional
        Seconds that one forward pass takes; None: clips as they are.
    seed : int
        Of the initial weights.

    Examples
    --------
    >>> model = build(("dog", "rain"), dim=48, hidden=96, depth=2, heads=4, patch_dim=32, conv_pos=16, conv_groups=4)
    >>> model(torch.zeros(3, 1, 16000)).shape
    torch.Size([3, 2])
    """
    count = len(classes) if n_classes is None else n_classes
    if classes and count != len(classes):
        raise InputError(f"{len(classes)} class names for {count} output neurons")
    for kind, name, known in (("average", average, AVERAGES), ("padding", padding, PADDINGS)):
        if name not in known:
            raise UnknownNameError.of(f"{kind} of a BEATs", name, known)
    size = Size(
        dim, hidden, depth, heads, patch, patch_dim, conv_pos, conv_groups, n_buckets, max_distance, deep_norm
    )
    front_end = BeatsFrontEnd(patch, padding)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = Beats(count, size, Dropout(dropout, attention_dropout, layer_drop), average)
    options: dict[str, Any] = {"n_classes": n_classes, **asdict(size), "average": average, "padding": padding}
    training = {"dropout": dropout, "attention_dropout": attention_dropout, "layer_drop": layer_drop}
    return AudioModel(
        front_end,
        net,
        sample_rate=front_end.bank.settings.sample_rate,
        classes=classes,
        clip_length=ClipLength(clip_s),
        spec="beats",
        declared_layers=tuple(
            f"encoder.layers.{i}{part}" for i in range(depth) for part in (".fc1", ".fc2", "")
        ),
        geometry_rule=partial(geometry, front_end),
        has_logits=count > 0,
        takes_lengths=True,
        config={"architecture": "beats", "options": {**options, **training, "clip_s": clip_s, "seed": seed}},
    )


def geometry(
    front_end: BeatsFrontEnd, layer: str, output_shape: tuple[int, ...], n_samples: int
) -> Geometry | None:
    """Return the grid of a layer of BEATs: 8 mel bands for each 0.16 s, band innermost; vectors stand for the input.

    Parameters
    ----------
    front_end : BeatsFrontEnd
        Of the network.
    layer, output_shape, n_samples
        As in :meth:`AudioModel.geometry`.
    """
    settings, rows, patch = front_end.bank.settings, front_end.rows, front_end.patch
    if len(output_shape) == 2:
        return Geometry.vector(n_samples / settings.sample_rate)
    frames = (max(n_samples, front_end.shortest) - settings.frame_length) // settings.hop_length + 1
    n_time = frames // patch
    axes = _axes(output_shape, n_time, rows)
    if axes is None:
        return None
    hop_s, first_s = settings.frame_times_s()
    return Geometry(
        axes,
        n_frequency=rows,
        n_time=n_time,
        stride_s=patch * hop_s,
        offset_s=first_s + (patch - 1) / 2 * hop_s,
        frequency_hz=middles_hz(front_end.tips_hz, "kaldi", patch, patch),
    )


def _axes(shape: tuple[int, ...], n_time: int, rows: int) -> str | None:
    if len(shape) == 4:
        return "BCTF" if shape[2:] == (n_time, rows) else None
    if len(shape) != 3 or n_time * rows not in shape[1:]:
        return None
    return "BNC" if shape[1] == n_time * rows else "BCN"
