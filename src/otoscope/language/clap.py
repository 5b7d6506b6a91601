"""How well does a text fit a sound? CLAP: texts and sounds in one space.

``clap:NAME_OR_PATH[?int16=true&seed=0&revision=...]`` opens a transformers checkpoint of CLAP, fused or unfused, such
as ``clap:laion/clap-htsat-unfused``. A vector is the network's projected embedding, of length 1; the cosine of a
text's and a sound's is their affinity. Texts are cut at 77 tokens, as in training; sounds are prepared by
:mod:`otoscope.language.clap_features`. ``int16=true`` rounds waveforms to 16 bits and back first, as AND does.

*Where we differ from transformers*: crops of long sounds follow a seed and the sound, not a global generator; a short
sound is never taken for a long one.

Reference: Y. Wu et al., "Large-scale contrastive language-audio pretraining", ICASSP 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.errors import ModelError
from otoscope.language import pretrained
from otoscope.language.clap_features import ClapFeatures, ClapSettings
from otoscope.language.encoder import checked, checked_sounds
from otoscope.progress import track

MAX_TOKENS = 77
"""Texts are cut here, as in training."""


class ClapEncoder:
    """A CLAP network for texts and sounds.

    Attributes
    ----------
    id : str
        ``clap:NAME@`` and 8 digits of a hash of the weights and of how sound and text are prepared.
    sample_rate : int
        Hertz of the waveforms it takes: 48,000 for the published checkpoints.
    """

    def __init__(
        self, model: Any, tokenizer: Any, settings: ClapSettings, name: str, batch_size: int = 16
    ) -> None:
        self._model, self._tokenizer, self._batch_size = model.eval(), tokenizer, batch_size
        self._features = ClapFeatures(settings)
        self.sample_rate = settings.sample_rate
        self.id = f"clap:{name}@{pretrained.hash_weights(model, settings, MAX_TOKENS)}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit row a text, float32 (text, dim)."""
        return self._batched(checked(texts), self._of_texts, "encoding texts")

    def encode_sounds(self, waveforms: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return one unit row a waveform ``(time,)`` at :attr:`sample_rate`, float32 (clip, dim)."""
        return self._batched(checked_sounds(waveforms), self._of_sounds, "encoding sounds")

    def _batched(self, items: list[Any], encode: Any, what: str) -> NDArray[np.float32]:
        starts = range(0, len(items), self._batch_size)
        with torch.inference_mode():
            rows = [encode(items[one : one + self._batch_size]) for one in track(starts, len(starts), what)]
        return pretrained.unit_rows(np.concatenate([one.float().cpu().numpy() for one in rows]), self.id)

    def _of_texts(self, texts: list[str]) -> Tensor:
        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        return _embedding(self._model.get_text_features(**tokens.to(self._model.device)))

    def _of_sounds(self, waveforms: list[NDArray[np.float32]]) -> Tensor:
        heard = [self._features(one) for one in waveforms]
        features = torch.stack([one for one, _ in heard]).to(self._model.device)
        longer = torch.tensor([[one] for _, one in heard], device=self._model.device)
        return _embedding(self._model.get_audio_features(input_features=features, is_longer=longer))


def _embedding(output: Any) -> Tensor:
    """Return the projected embedding: older versions of transformers give it as it is."""
    found: Tensor = getattr(output, "pooler_output", output)
    return found


def load(rest: str, device: str = "cpu") -> ClapEncoder:
    """Return the encoder of the checkpoint ``NAME_OR_PATH[?int16=true&seed=0&revision=...]``, on ``device``.

    Raises
    ------
    InputError
        If there is no name, or an option has no such value.
    UnknownNameError
        If there is no such option.
    MissingExtraError
        If transformers is not installed.
    ModelError
        If the checkpoint cannot be found or read, lacks weights, or is not of CLAP.
    """
    name, options = pretrained.named("clap", rest, ("int16", "seed", "revision"))
    int16, seed = pretrained.switch(options, "int16"), pretrained.whole_number(options, "seed", 0)
    library, spec = pretrained.transformers(), f"clap:{name}"
    chosen = {key: options[key] for key in ("revision",) if key in options}
    with pretrained.opening(library, spec):
        config = library.AutoConfig.from_pretrained(name, **chosen)
        if config.model_type != "clap":
            raise ModelError(f"{spec} is a {config.model_type!r} network, not CLAP")
        extractor = library.ClapFeatureExtractor.from_pretrained(name, **chosen)
        tokenizer = library.AutoTokenizer.from_pretrained(name, **chosen)
        model, info = library.ClapModel.from_pretrained(
            name, dtype=torch.float32, output_loading_info=True, **chosen
        )
    pretrained.complete(spec, info)
    settings = ClapSettings.of(extractor, int16=int16, seed=seed)
    if settings.fused != config.audio_config.enable_fusion:
        raise ModelError(
            f"{spec} contradicts itself: its network is {'' if config.audio_config.enable_fusion else 'not '}fused, "
            f"its feature extractor truncates by {settings.truncation!r}"
        )
    return ClapEncoder(model.to(device), tokenizer, settings, pretrained.shown(name))
