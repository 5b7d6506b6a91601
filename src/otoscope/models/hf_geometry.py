"""Where the tokens of Hugging Face networks lie in time and frequency, and which of their layers ``*`` means.

Module names differ between networks and between versions of transformers, so layers are found by pattern: the blocks
are ``...layers.N`` (``...encoder.layer.N`` in AST before 5.9; ``...layers.N.blocks.M`` in CLAP's stages), and in each
block the MLP's hidden neurons are taken **after** their activation: ``mlp.activation_fn`` (AST from 5.9),
``intermediate`` (AST before, CLAP), ``feed_forward.intermediate_act_fn`` (wav2vec2, HuBERT, WavLM), ``activation_fn``
(Whisper). The layers before the activation (``mlp.fc1``, ``intermediate.dense``, ``feed_forward.intermediate_dense``,
``fc1``) have their own names.

Each rule here is a :data:`otoscope.models.audio_model.GeometryRule`; None where a module's output is no grid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate

import torch

from otoscope.audio import mel_scale
from otoscope.models.audio_model import GeometryRule
from otoscope.models.geometry import Geometry
from otoscope.models.hf_front_ends import FRAME_LENGTH, HOP_LENGTH, AstFrontEnd

_BLOCK = re.compile(r"^(?:(?!adapter)[a-z_0-9]+\.)*?layers?\.\d+$")
_IN_STAGE = re.compile(r"^(?:[a-z_0-9]+\.)*?layers\.\d+\.blocks\.\d+$")
_ACTIVATED = ("mlp.activation_fn", "feed_forward.intermediate_act_fn", "intermediate", "activation_fn")
_CONV_LAYER = re.compile(r"(?:^|\.)feature_extractor\.conv_layers\.(\d+)(?:\.(\w+))?$")
_NO_TOKENS = ("pos_conv_embed.", "rel_attn_embed", "gru_rel_pos", "masked_spec_embed")


def declared_layers(module_names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the MLP hidden layers and block outputs, block by block.

    Parameters
    ----------
    module_names : iterable of str
        Paths of ``named_modules()``.

    Examples
    --------
    >>> declared_layers(["layers.0", "layers.0.mlp", "layers.0.mlp.fc1", "layers.0.mlp.activation_fn"])
    ('layers.0.mlp.activation_fn', 'layers.0')
    """
    names = list(module_names)
    present = set(names)
    found: list[str] = []
    staged = [name for name in names if _IN_STAGE.match(name)]
    for block in staged or [name for name in names if _BLOCK.match(name)]:
        inside = (f"{block}.{part}" for part in _ACTIVATED)
        found.extend([*[name for name in inside if name in present][:1], block])
    return tuple(found)


def without_selector(layer: str) -> str:
    """Return the module's path: ``encoder.layers.0[0]`` is ``encoder.layers.0``."""
    return layer.partition("[")[0]


def patches(
    front_end: AstFrontEnd, n_frequency: int, n_time: int, patch: int, frequency_stride: int, time_stride: int
) -> GeometryRule:
    """Return the rule of AST: two special tokens, then patches with frequency outermost.

    Parameters
    ----------
    front_end : AstFrontEnd
        Its frames and bands are what patches are made of.
    n_frequency, n_time : int
        Patches along each axis.
    patch, frequency_stride, time_stride : int
        Size of a patch and its steps, in mel bands and frames.
    """
    settings = front_end.bank.settings
    hop_s, first_s = settings.frame_times_s()
    tips = mel_scale.centres_hz(
        settings.n_mels, settings.sample_rate, settings.f_min, settings.f_max, scale="kaldi"
    )
    mels = mel_scale.hz_to_mel(torch.tensor(tips, dtype=torch.float64), "kaldi")
    rows = mels.unfold(0, patch, frequency_stride).mean(1)[:n_frequency]
    grid = Geometry(
        "BNC",
        n_prefix=2,
        n_frequency=n_frequency,
        n_time=n_time,
        order="frequency-major",
        stride_s=time_stride * hop_s,
        offset_s=first_s + (patch - 1) / 2 * hop_s,
        frequency_hz=tuple(mel_scale.mel_to_hz(rows, "kaldi").tolist()),
    )
    return partial(_patch_geometry, grid, settings.sample_rate)


def _patch_geometry(
    grid: Geometry, sample_rate: int, layer: str, output_shape: tuple[int, ...], n_samples: int
) -> Geometry | None:
    if len(output_shape) == 2:
        return Geometry.vector(n_samples / sample_rate)
    if len(output_shape) == 4 and output_shape[2:] == (grid.n_frequency, grid.n_time):
        return replace(grid, axes="BCFT", n_prefix=0)
    if len(output_shape) != 3:
        return None
    prefix = output_shape[1] - grid.n_positions
    return replace(grid, n_prefix=prefix) if prefix in (0, grid.n_prefix) else None


def convolved(kernels: Sequence[int], strides: Sequence[int], sample_rate: int) -> GeometryRule:
    """Return the rule of wav2vec2 and its relatives: frames made by a chain of unpadded convolutions.

    After convolutions of kernels k and strides s, position i covers ``reach`` samples from sample ``i * jump`` on,
    with jump = product of s and reach = 1 + sum of (k - 1) times the strides before.

    Parameters
    ----------
    kernels, strides : sequence of int
        Of the feature encoder.
    sample_rate : int
        In hertz.
    """
    jumps = list(accumulate(strides, lambda jump, stride: jump * stride, initial=1))
    reaches = list(
        accumulate(zip(kernels, jumps), lambda reach, one: reach + (one[0] - 1) * one[1], initial=1)
    )
    return partial(_convolved_geometry, tuple(jumps), tuple(reaches), sample_rate)


def _convolved_geometry(
    jumps: tuple[int, ...],
    reaches: tuple[int, ...],
    sample_rate: int,
    layer: str,
    output_shape: tuple[int, ...],
    n_samples: int,
) -> Geometry | None:
    name = without_selector(layer)
    if len(output_shape) == 2:
        return Geometry.vector(n_samples / sample_rate)
    if len(output_shape) != 3 or any(part in name for part in _NO_TOKENS):
        return None
    inside = _CONV_LAYER.search(name)
    if inside and inside[2] == "layer_norm":
        return None  # its neurons come before or after time, by the checkpoint's kind of normalisation
    convolution = bool(inside) or name.endswith("feature_extractor")
    depth = int(inside[1]) + 1 if inside else len(jumps) - 1
    return Geometry(
        "BCT" if convolution else "BNC",
        n_time=output_shape[2] if convolution else output_shape[1],
        stride_s=jumps[depth] / sample_rate,
        offset_s=reaches[depth] / 2 / sample_rate,
    )


def whisper_frames(hop_length: int, sample_rate: int) -> GeometryRule:
    """Return the rule of Whisper: centred frames, halved by the second convolution."""
    return partial(_whisper_geometry, hop_length / sample_rate, sample_rate)


def _whisper_geometry(
    hop_s: float, sample_rate: int, layer: str, output_shape: tuple[int, ...], n_samples: int
) -> Geometry | None:
    name = without_selector(layer)
    if len(output_shape) == 2:
        return None if name.endswith("embed_positions") else Geometry.vector(n_samples / sample_rate)
    if len(output_shape) != 3:
        return None
    if name.endswith(("conv1", "conv2")):
        stride_s = hop_s * (1 if name.endswith("conv1") else 2)
        return Geometry("BCT", n_time=output_shape[2], stride_s=stride_s)
    return Geometry("BNC", n_time=output_shape[1], stride_s=2 * hop_s)


def ast_samples(n_frames: int) -> int:
    """Return the samples that fill ``n_frames`` frames exactly."""
    return FRAME_LENGTH + (n_frames - 1) * HOP_LENGTH
