"""Tiny random checkpoints of Hugging Face networks, written to a folder on the spot."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import torch

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}
CONVOLVED = {
    **TINY,
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
LAYERED = {**CONVOLVED, "feat_extract_norm": "layer", "do_stable_layer_norm": True}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 24,
    "vocab_size": 50,
    "max_source_positions": 150,
    "num_mel_bins": 80,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}


def write(kind: str, folder: Path) -> Path:
    """Write the checkpoint called ``kind`` and return its folder."""
    import transformers

    network, config, extractor = KINDS[kind]
    with torch.random.fork_rng(), quietly():
        torch.manual_seed(sum(map(ord, kind)))
        made = getattr(transformers, network)(getattr(transformers, config[0])(**config[1]))
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        made.save_pretrained(folder / kind)
        extractor_of(*extractor).save_pretrained(folder / kind)
    return folder / kind


def extractor_of(name: str, options: dict):
    """Return a feature extractor; AST's NumPy path warns of its one empty mel band."""
    import transformers

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "At least one mel filter has all zero values", UserWarning)
        return getattr(transformers, name)(**options)


@contextlib.contextmanager
def quietly():
    """Keep the bar that saving draws off the terminal."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


CLAP_AUDIO = {
    "spec_size": 64,
    "num_mel_bins": 16,
    "window_size": 4,
    "depths": [2, 1],
    "num_attention_heads": [2, 4],
    "patch_embeds_hidden_size": 16,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "projection_dim": 8,
    "aff_block_r": 2,
}
CLAP_TEXT = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "projection_dim": 8,
}
_CLAP_EXTRACTOR = {"feature_size": 16, "max_length_s": 2, "truncation": "rand_trunc", "frequency_min": 50}
_FUSED = {**CLAP_AUDIO, "enable_fusion": True}


def _clap(audio: dict) -> tuple[str, dict]:
    return "ClapConfig", {"text_config": CLAP_TEXT, "audio_config": audio, "projection_dim": 8}


_AST = {**TINY, "max_length": 98}
_W2V = "Wav2Vec2FeatureExtractor"
KINDS = {
    "clap": ("ClapModel", _clap(CLAP_AUDIO), ("ClapFeatureExtractor", _CLAP_EXTRACTOR)),
    "clap-fused": (
        "ClapModel",
        _clap(_FUSED),
        ("ClapFeatureExtractor", {**_CLAP_EXTRACTOR, "truncation": "fusion"}),
    ),
    "clap-audio": (
        "ClapAudioModel",
        ("ClapAudioConfig", CLAP_AUDIO),
        ("ClapFeatureExtractor", {**_CLAP_EXTRACTOR, "padding": "repeat"}),
    ),
    "clap-audio-projected": (
        "ClapAudioModelWithProjection",
        ("ClapAudioConfig", CLAP_AUDIO),
        ("ClapFeatureExtractor", {**_CLAP_EXTRACTOR, "padding": "pad"}),
    ),
    "ast": (
        "ASTForAudioClassification",
        ("ASTConfig", {**_AST, "id2label": {0: "dog", 1: "rain", 2: "siren"}}),
        ("ASTFeatureExtractor", {"max_length": 98}),
    ),
    "ast-encoder": (
        "ASTModel",
        ("ASTConfig", _AST),
        ("ASTFeatureExtractor", {"max_length": 98, "do_normalize": False}),
    ),
    "wav2vec2": (
        "Wav2Vec2Model",
        ("Wav2Vec2Config", CONVOLVED),
        (_W2V, {"return_attention_mask": False}),
    ),
    "wav2vec2-ctc": (
        "Wav2Vec2ForCTC",
        ("Wav2Vec2Config", {**CONVOLVED, "vocab_size": 12}),
        (_W2V, {"return_attention_mask": False}),
    ),
    "wav2vec2-head": (
        "Wav2Vec2ForSequenceClassification",
        ("Wav2Vec2Config", {**LAYERED, "classifier_proj_size": 8, "num_labels": 4}),
        (_W2V, {"return_attention_mask": True}),
    ),
    "hubert": ("HubertModel", ("HubertConfig", CONVOLVED), (_W2V, {"do_normalize": False})),
    "wavlm": ("WavLMModel", ("WavLMConfig", CONVOLVED), (_W2V, {"return_attention_mask": True})),
    "whisper": (
        "WhisperForConditionalGeneration",
        ("WhisperConfig", WHISPER),
        ("WhisperFeatureExtractor", {"chunk_length": 3}),
    ),
    "whisper-head": (
        "WhisperForAudioClassification",
        ("WhisperConfig", {**WHISPER, "num_labels": 5}),
        ("WhisperFeatureExtractor", {"chunk_length": 3}),
    ),
}
