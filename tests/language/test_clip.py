"""CLIP's text tower behind our protocol: equal to transformers, cut at 77 tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otoscope.errors import ModelError, UnknownNameError
from otoscope.language import text_encoder
from tests.language import checkpoints

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.write_clip(tmp_path_factory.mktemp("clip"))


def test_vectors_equal_the_network(folder: Path) -> None:
    texts = ["a dog barking", "Heavy RAIN", "x" * 300]
    encoder = text_encoder(f"clip:{folder}")
    with checkpoints.quietly():
        model = transformers.CLIPModel.from_pretrained(folder).eval()
        tokens = transformers.AutoTokenizer.from_pretrained(folder)(
            texts, padding=True, truncation=True, max_length=77, return_tensors="pt"
        )
    with torch.inference_mode():
        theirs = model.get_text_features(**tokens)
    theirs = getattr(theirs, "pooler_output", theirs).numpy()
    found = encoder.encode(texts)
    np.testing.assert_allclose(found, theirs / np.linalg.norm(theirs, axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert encoder.id.startswith(f"clip:{folder.name}@")


def test_batching_does_not_change_a_row(folder: Path) -> None:
    from otoscope.language.clip import ClipEncoder

    encoder = text_encoder(f"clip:{folder}")
    texts = ["rain", "a low steady hum of an engine in the rain", "a click"]
    one = ClipEncoder(encoder._model, encoder._tokenizer, "x", batch_size=1).encode(texts)
    np.testing.assert_allclose(encoder.encode(texts), one, atol=1e-5)


def test_what_stands_after_77_tokens_counts_for_nothing(folder: Path) -> None:
    base = "x " * 75  # one token a word here, and two at the ends
    found = text_encoder(f"clip:{folder}").encode([base, base + "y", base[:-2] + "y"])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert np.abs(found[0] - found[2]).max() > 1e-5


def test_the_text_tower_alone_is_enough(folder: Path, tmp_path: Path) -> None:
    with checkpoints.quietly():
        config = transformers.CLIPConfig.from_pretrained(folder)
        config.text_config.projection_dim = config.projection_dim
        tower = transformers.CLIPTextModelWithProjection.from_pretrained(folder, config=config.text_config)
        tower.save_pretrained(tmp_path / folder.name)
        transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / folder.name)
    assert text_encoder(f"clip:{tmp_path / folder.name}").id == text_encoder(f"clip:{folder}").id


def test_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="cannot open clip:"):
        text_encoder(f"clip:{tmp_path}")
    with pytest.raises(ModelError, match="is a 'clap' network, not CLIP"):
        text_encoder(f"clip:{checkpoints.write_clap(tmp_path / 'clap')}")
    with pytest.raises(UnknownNameError, match="unknown option of clip: 'seed'"):
        text_encoder("clip:x?seed=1")


def test_without_a_name_it_is_the_published_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from otoscope.language import clip

    assert clip.PUBLISHED == "openai/clip-vit-base-patch32"
    monkeypatch.setattr(clip, "PUBLISHED", str(folder))
    assert text_encoder("clip:").id == text_encoder(f"clip:{folder}").id
