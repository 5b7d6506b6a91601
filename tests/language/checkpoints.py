"""Tiny random checkpoints of CLAP and CLIP with tokenizers, written to a folder on the spot."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import torch

CLAP_AUDIO = {
    "window_size": 4,
    "num_mel_bins": 16,
    "spec_size": 64,
    "patch_size": 2,
    "patch_stride": [2, 2],
    "patch_embeds_hidden_size": 8,
    "patch_embed_input_channels": 1,
    "depths": [1, 1],
    "num_attention_heads": [2, 2],
    "hidden_size": 16,
    "projection_dim": 12,
    "num_hidden_layers": 2,
    "num_classes": 5,
}
CLAP_TEXT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "projection_dim": 12,
    "max_position_embeddings": 90,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
CLIP_TEXT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 77,
}
CLIP_VISION = {**CLIP_TEXT, "image_size": 8, "patch_size": 4}


@contextlib.contextmanager
def quietly():
    """Keep the bar that saving draws off the terminal."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


def byte_pieces() -> dict[str, int]:
    """Return a vocabulary of the 256 bytes as byte-level tokenizers spell them."""
    from tokenizers.pre_tokenizers import ByteLevel

    return {one: place for place, one in enumerate(sorted(ByteLevel.alphabet()))}


def write_clap(folder: Path, fused: bool = False, seed: int = 0) -> Path:
    """Write a CLAP of 2 s and 12 dimensions and return its folder."""
    import transformers

    tokenizer = _roberta()
    audio = {**CLAP_AUDIO, "enable_fusion": fused}
    text = {**CLAP_TEXT, "vocab_size": len(tokenizer)}
    config = transformers.ClapConfig(audio_config=audio, text_config=text, projection_dim=12, hidden_size=16)
    with torch.random.fork_rng(), quietly():
        torch.manual_seed(seed)
        model = transformers.ClapModel(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        clap_extractor(fused).save_pretrained(folder)
    return folder


def clap_extractor(fused: bool, **changes):
    """Return the feature extractor of the tiny CLAP."""
    import transformers

    options = {"feature_size": 16, "max_length_s": 2, "truncation": "fusion" if fused else "rand_trunc"}
    return transformers.ClapFeatureExtractor(**{**options, **changes})


def write_clip(folder: Path, seed: int = 0) -> Path:
    """Write a whole CLIP of 12 dimensions and return its folder."""
    import transformers

    tokenizer = _clip()
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {**CLIP_TEXT, "vocab_size": len(tokenizer), **special, "pad_token_id": tokenizer.pad_token_id}
    config = transformers.CLIPConfig(text_config=text, vision_config=CLIP_VISION, projection_dim=12)
    with torch.random.fork_rng(), quietly():
        torch.manual_seed(seed)
        model = transformers.CLIPModel(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def _roberta():
    import transformers

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = {one: place for place, one in enumerate(special)}
    vocabulary |= {one: place + len(special) for one, place in byte_pieces().items()}
    return transformers.RobertaTokenizer(vocab=vocabulary, merges=[])


def _clip():
    import transformers

    pieces = byte_pieces()
    vocabulary = {**pieces, **{f"{one}</w>": len(pieces) + place for one, place in pieces.items()}}
    for one in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[one] = len(vocabulary)
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[])
