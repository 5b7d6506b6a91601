"""A tiny random Qwen2-Audio with its processor, written to a folder on the spot."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.models.checkpoints import quietly

AUDIO = {
    "num_mel_bins": 8,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "d_model": 16,
    "max_source_positions": 100,
}
TEXT = {
    "model_type": "qwen2",
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 600,
}


def tokenizer():
    """Return a byte-level tokenizer with the marks that Qwen2-Audio uses."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({one: place for place, one in enumerate(special + letters)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=special[1:],
    )


def write(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint: 2 s of sound at 16 kHz, byte-level text."""
    import transformers

    words = tokenizer()
    text = {**TEXT, "vocab_size": len(words), "pad_token_id": 0, "eos_token_id": 2}
    config = transformers.Qwen2AudioConfig(audio_config=AUDIO, text_config=text, audio_token_index=3)
    extractor = transformers.WhisperFeatureExtractor(feature_size=8, chunk_length=2)
    with torch.random.fork_rng(), quietly():
        torch.manual_seed(seed)
        model = transformers.Qwen2AudioForConditionalGeneration(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        pieces = words.get_vocab().items()
        mute = [place for piece, place in pieces if not (piece.isascii() and piece.isalpha())]
        model.generation_config.suppress_tokens = mute  # it says letters, and never ends before it begins
        model.save_pretrained(folder)
        transformers.Qwen2AudioProcessor(extractor, words).save_pretrained(folder)
    return folder
