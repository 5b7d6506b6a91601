"""Networks of the Hugging Face hub: ``hf:NAME_OR_PATH``, with the front ends on torch.

Families: AST, wav2vec2, HuBERT, WavLM, the encoder of Whisper and the audio tower of CLAP (see
:mod:`otoscope.models.hf_clap`). A checkpoint made for audio or sequence
classification keeps its head and class names. Any other is opened as an encoder: it has no logits, and the
model's output is the mean of its last hidden state over positions, a vector without class names.

``hf:NAME?length_s=10`` hears clips in windows of 10 s (wav2vec2 and relatives take whole clips otherwise; AST,
Whisper and CLAP have a length of their own), ``?revision=...`` names a version of the checkpoint. Layers: see
:mod:`otoscope.models.hf_geometry`; front ends: :mod:`otoscope.models.hf_front_ends`. Nothing that a checkpoint
brings along is executed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import torch
from torch import nn

from otoscope.audio.windows import ClipLength
from otoscope.errors import InputError, MissingExtraError, ModelError, UnknownNameError
from otoscope.models import hf_geometry
from otoscope.models.audio_model import AudioModel, GeometryRule
from otoscope.models.hf_adapters import Classifier, Encoder
from otoscope.models.hf_clap import ClapFrontEnd, ClapTower, folded_patches
from otoscope.models.hf_front_ends import AstFrontEnd, WaveformFrontEnd, WhisperFrontEnd

_HEADS = ("ForAudioClassification", "ForSequenceClassification")
_OPTIONS = ("length_s", "revision")


@dataclass(frozen=True)
class Family:
    """What a kind of checkpoint needs beside its net.

    Attributes
    ----------
    sample_rate : int
        In hertz.
    front_end : nn.Module
        Equal to the checkpoint's feature extractor.
    geometry_rule : callable
        See :data:`otoscope.models.audio_model.GeometryRule`.
    length_s : float or None
        Seconds that the network takes, None for any.
    takes_lengths : bool
        Whether the front end can be told where padding begins.
    encoder : callable
        ``network without a head -> adapter`` that gives its output.
    """

    sample_rate: int
    front_end: nn.Module
    geometry_rule: GeometryRule
    length_s: float | None
    takes_lengths: bool
    encoder: Callable[[nn.Module], nn.Module] = Encoder


def load(rest: str, device: str = "cpu") -> AudioModel:
    """Return the checkpoint ``NAME_OR_PATH[?length_s=...&revision=...]``, on ``device``.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    InputError
        If a path is given and nothing lies there.
    ModelError
        If the checkpoint cannot be found or read, is of another family, or lacks the weights of its head.
    """
    name, length_s, revision = parse(rest)
    library = transformers()
    chosen = {} if revision is None else {"revision": revision}
    config = _configuration(library, name, chosen)
    kind, family_of = FAMILIES[config.model_type]
    family = family_of(config, _extractor(library, name, kind, chosen))
    headed = any(one.endswith(_HEADS) for one in config.architectures or ())
    inner = _weights(library, name, config, headed, chosen).to(device)
    classes = tuple(config.id2label[index] for index in sorted(config.id2label)) if headed else ()
    return AudioModel(
        family.front_end.to(device),
        Classifier(inner) if headed else family.encoder(inner),
        sample_rate=family.sample_rate,
        classes=classes,
        clip_length=ClipLength(length_s if length_s is not None else family.length_s),
        spec=f"hf:{rest}",
        declared_layers=hf_geometry.declared_layers(path for path, _ in inner.named_modules()),
        geometry_rule=family.geometry_rule,
        has_logits=headed,
        takes_lengths=family.takes_lengths,
    )


def parse(rest: str) -> tuple[str, float | None, str | None]:
    """Return name or path, window length in seconds and revision of ``NAME?length_s=10&revision=main``.

    Raises
    ------
    InputError
        If there is no name, or the length is no positive number.
    UnknownNameError
        If an option is unknown.
    """
    name, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for option in options:
        if option not in _OPTIONS:
            raise UnknownNameError.of("option of hf:", option, _OPTIONS)
    if not name:
        raise InputError("expected hf:NAME_OR_PATH, got no name after 'hf:'")
    try:
        length_s = float(options["length_s"]) if "length_s" in options else None
    except ValueError:
        raise InputError(f"length_s takes seconds, got {options['length_s']!r}") from None
    return name, length_s, options.get("revision")


def _ast(config: Any, extractor: Any) -> Family:
    mean, std = (extractor.mean, extractor.std) if extractor.do_normalize else (0.0, 0.5)
    front_end = AstFrontEnd(extractor.sampling_rate, extractor.num_mel_bins, extractor.max_length, mean, std)
    patch, by_frequency, by_time = config.patch_size, config.frequency_stride, config.time_stride
    rule = hf_geometry.patches(
        front_end,
        (config.num_mel_bins - patch) // by_frequency + 1,
        (config.max_length - patch) // by_time + 1,
        patch,
        by_frequency,
        by_time,
    )
    length_s = hf_geometry.ast_samples(extractor.max_length) / extractor.sampling_rate
    return Family(int(extractor.sampling_rate), front_end, rule, length_s, takes_lengths=True)


def _convolved(config: Any, extractor: Any) -> Family:
    front_end = WaveformFrontEnd(bool(extractor.do_normalize), bool(extractor.return_attention_mask))
    rule = hf_geometry.convolved(config.conv_kernel, config.conv_stride, extractor.sampling_rate)
    return Family(int(extractor.sampling_rate), front_end, rule, None, takes_lengths=True)


def _whisper(config: Any, extractor: Any) -> Family:
    rate, length_s = int(extractor.sampling_rate), float(extractor.chunk_length)
    front_end = WhisperFrontEnd(
        rate, extractor.feature_size, extractor.n_fft, extractor.hop_length, round(length_s * rate)
    )
    rule = hf_geometry.whisper_frames(extractor.hop_length, rate)
    return Family(rate, front_end, rule, length_s, takes_lengths=False)


def _clap(config: Any, extractor: Any) -> Family:
    front_end = ClapFrontEnd(extractor)
    rule = folded_patches(getattr(config, "audio_config", config), front_end)
    tower = partial(ClapTower, fused=front_end.fused)
    rate = int(extractor.sampling_rate)
    return Family(rate, front_end, rule, float(extractor.max_length_s), takes_lengths=True, encoder=tower)


#: model_type of the checkpoint's configuration -> class of its feature extractor, what it needs
FAMILIES: dict[str, tuple[str, Callable[[Any, Any], Family]]] = {
    "audio-spectrogram-transformer": ("ASTFeatureExtractor", _ast),
    "wav2vec2": ("Wav2Vec2FeatureExtractor", _convolved),
    "hubert": ("Wav2Vec2FeatureExtractor", _convolved),
    "wavlm": ("Wav2Vec2FeatureExtractor", _convolved),
    "whisper": ("WhisperFeatureExtractor", _whisper),
    "clap": ("ClapFeatureExtractor", _clap),
    "clap_audio_model": ("ClapFeatureExtractor", _clap),
}


def transformers() -> Any:
    """Return the library; where it is not installed, the error names the extra."""
    try:
        import transformers as library
    except ImportError as error:
        raise MissingExtraError.of("hf", "transformers") from error
    return library


def _configuration(library: Any, name: str, chosen: dict[str, str]) -> Any:
    """Return the checkpoint's configuration, of one of our families."""
    if _is_path(name) and not Path(name).expanduser().exists():
        raise InputError(f"there is no folder {name} (asked for as hf:{name})")
    with _opening(library, f"hf:{name} cannot be opened"):
        config = library.AutoConfig.from_pretrained(name, **chosen)
    if config.model_type not in FAMILIES:
        raise ModelError(
            f"hf:{name} is a {config.model_type!r} network; known are {', '.join(FAMILIES)}. Any other goes "
            "through py:module:factory"
        )
    return config


def _extractor(library: Any, name: str, kind: str, chosen: dict[str, str]) -> Any:
    """Return the settings of the checkpoint's feature extractor, its class's defaults where it names none."""
    extractor = getattr(library, kind)
    with _opening(library, f"the feature extractor of hf:{name} cannot be read"):
        stated, _ = extractor.get_feature_extractor_dict(name, **chosen)
    parameters = inspect.signature(extractor.__init__).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}
    return SimpleNamespace(**{**defaults, **stated})


def _weights(library: Any, name: str, config: Any, headed: bool, chosen: dict[str, str]) -> nn.Module:
    """Return the network in float32, in evaluation mode; weights that the checkpoint lacks raise."""
    opener = getattr(library, _opener(config, headed))
    with _opening(library, f"the weights of hf:{name} cannot be loaded"):
        inner, info = opener.from_pretrained(name, dtype=torch.float32, output_loading_info=True, **chosen)
    if not headed and config.model_type == "whisper":
        inner = inner.get_encoder()
    missing = sorted(key for key in info["missing_keys"] if "masked_spec_embed" not in key)
    if missing:
        raise ModelError(
            f"hf:{name} has no weights for {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}: "
            "they would be random"
        )
    network: nn.Module = inner.eval()
    return network


def _opener(config: Any, headed: bool) -> str:
    """Return the class of transformers that opens a checkpoint; of a CLAP only the audio tower is opened."""
    if headed:
        return "AutoModelForAudioClassification"
    if not config.model_type.startswith("clap"):
        return "AutoModel"
    return (
        "ClapAudioModel"
        if "ClapAudioModel" in (config.architectures or ())
        else "ClapAudioModelWithProjection"
    )


@contextmanager
def _opening(library: Any, failure: str) -> Iterator[None]:
    """Keep bars and reports of transformers off the terminal while the block runs; say what failed in it."""
    reports = library.utils.logging
    verbosity, bars = reports.get_verbosity(), reports.is_progress_bar_enabled()
    reports.set_verbosity_error()
    reports.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{failure}: {_first_line(error)}") from error
    finally:
        reports.set_verbosity(verbosity)
        if bars:
            reports.enable_progress_bar()


def _is_path(name: str) -> bool:
    """Return whether a name can only be a path: a name on the hub is one or two words."""
    return name.startswith((".", "~", "/")) or name.count("/") > 1 or Path(name).is_absolute()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
