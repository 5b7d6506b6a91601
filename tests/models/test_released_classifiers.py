"""Released files of the explanation recipes and of AAPE, on miniatures with the same keys."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
import torch

from otoscope.errors import FormatError, InputError, ModelError
from otoscope.models import cnn14_speechbrain, conv2d, import_weights, open_model, vgg
from otoscope.models.published.pictures import _renamed
from otoscope.models.train import train
from otoscope.selectivity.entropy import select
from otoscope.store import tensors

FEATURES = {"conv2d": "sb/X_stft_log1p_2x75x513", "cnn14": "sb/X_mel_log1p_2x75x80"}


@pytest.mark.parametrize(
    ("kind", "encoder", "head", "logits"),
    [
        ("conv2d", "sb_conv2d_encoder_small", "sb_conv2d_classifier_small", "sb_conv2d_small/cos_logits"),
        ("cnn14", "sb_cnn14_small", "sb_linear_classifier_small", "sb_cnn14_small/logits"),
    ],
)
def test_an_encoder_and_its_head_become_one_network(
    parity, ruled, deviation, tmp_path, kind, encoder, head, logits
):
    torch.save(
        {f"module.{key}": one for key, one in ruled(encoder).items()}, tmp_path / "embedding_modelft.ckpt"
    )
    torch.save(ruled(head), tmp_path / "classifierft.ckpt")
    made = import_weights(
        tmp_path / "embedding_modelft.ckpt", tmp_path / "m", classes=("a", "b", "c", "d", "e")
    )
    assert made.kind == "speechbrain" and made.details["head"] == "classifierft.ckpt"
    model = open_model(str(tmp_path / "m"))
    assert model.classes == ("a", "b", "c", "d", "e") and model.front_end.level == "max"
    vectors = parity("networks")
    with torch.no_grad():
        found = model.net(torch.from_numpy(vectors[FEATURES[kind]])[:, None])
    assert deviation(found, vectors[logits].reshape(2, 5)) < 5e-5


def test_the_head_of_newer_files_and_a_wrong_one(tmp_path, ruled):
    torch.save(ruled("sb_cnn14_small_ln"), tmp_path / "embedding_model.ckpt")
    head = {f"w.{key}": one for key, one in ruled("sb_linear_classifier_small").items()}
    torch.save(head, tmp_path / "classifier.ckpt")
    import_weights(tmp_path / "embedding_model.ckpt", tmp_path / "m")
    assert open_model(str(tmp_path / "m")).config["options"]["norm"] == "ln"
    with pytest.raises(ModelError, match="has 5 output neurons; 2 class names"):
        import_weights(tmp_path / "embedding_model.ckpt", tmp_path / "n", classes=("a", "b"))
    torch.save({"odd": torch.zeros(1)}, tmp_path / "classifier.ckpt")
    with pytest.raises(ModelError, match="holds no head: it has the keys odd"):
        import_weights(tmp_path / "embedding_model.ckpt", tmp_path / "n")


def test_an_encoder_alone_is_trained_on_from(tmp_path, ruled):
    torch.save(ruled("sb_conv2d_encoder_small"), tmp_path / "embedding_model.ckpt")
    import_weights(tmp_path / "embedding_model.ckpt", tmp_path / "m")
    encoder = open_model(str(tmp_path / "m"))
    waveform = 0.1 * torch.randn(2, 1, 16000, generator=torch.Generator().manual_seed(0))
    assert not encoder.has_logits and encoder(waveform).shape == (2, 8)
    options = {"test_folds": "5", "epochs": 1, "valid": 0.2, "batch_size": 12, "options": {"scale": "learnt"}}
    tuned = train(
        "conv2d",
        "sounds:30?kinds=pure_tone,clicks&duration_s=0.5",
        tmp_path / "tuned",
        {**options, "start_from": str(tmp_path / "m"), "freeze": "encoder"},
    )
    for key, one in encoder.net.encoder.state_dict().items():
        assert torch.equal(tuned.net.encoder.state_dict()[key], one), key
    assert tuned.net.head.log_scale != 0 and tuned(waveform).shape == (2, 2)


@pytest.mark.parametrize(
    ("name", "explainer"),
    [
        ("sb_piq_small", "piq"),
        ("sb_lmac_decoder_small", "decoder-cnn14"),
        ("sb_l2i_psi_conv2d_small", "l2i-psi-conv2d"),
        ("sb_l2i_theta_small", "l2i-theta"),
        ("sb_nmf_decoder_small", "nmf-decoder"),
        ("sb_nmf_encoder_small", "nmf-encoder"),
    ],
)
def test_parts_of_explainers_keep_their_keys(tmp_path, ruled, name, explainer):
    state = ruled(name)
    torch.save(state, tmp_path / "psi_model.ckpt")
    made = import_weights(tmp_path / "psi_model.ckpt", tmp_path / "psi")
    arrays, note = tensors.read_with_note(made.out)
    assert made.kind == "speechbrain-explainer" and note["explainer"] == explainer
    assert arrays.keys() == state.keys()
    for key, one in state.items():
        np.testing.assert_array_equal(arrays[key], one.numpy())


def test_l2i_becomes_a_folder_with_its_interpreter_beside_it(tmp_path):
    model = vgg.build((), n_classes=5, width=2, sample_rate=44100, level="max", padding="reflect").eval()
    state = {**model.net.state_dict(), "netx.layer19.0.weight": torch.zeros(3, 128, 1, 1)}
    kept = {
        "f_state_dict": state,
        "H_state_dict": {"conv5.weight": torch.ones(4, 4, 5)},
        "h_state_dict": {"fc1.weight": torch.ones(5, 4)},
        "W_state_dict": {"W": torch.ones(513, 4)},
        "last_weights": np.arange(3.0),
        "train_info": np.array([[1, 2], [3, 4]]),
        "test_info": [np.float64(0.5)],
        "args": argparse.Namespace(fold=1),
    }
    torch.save(kept, tmp_path / "best.pt")
    made = import_weights(tmp_path / "best.pt", tmp_path / "m")
    assert made.kind == "l2i" and made.details["left_out"] == ["netx.layer19.0.weight"]
    again = open_model(str(tmp_path / "m"))
    waveform = 0.1 * torch.randn(1, 1, 44100 * 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(waveform), model(waveform))
    arrays = tensors.read(tmp_path / "m" / "released.safetensors")
    assert sorted(arrays) == ["dictionary.W", "psi.conv5.weight", "theta.fc1.weight"]
    torch.save(state, tmp_path / "classifier.pt")
    assert import_weights(tmp_path / "classifier.pt", tmp_path / "alone").kind == "l2i"
    with pytest.raises(ModelError, match="has 5 output neurons; 1 class names"):
        import_weights(tmp_path / "classifier.pt", tmp_path / "x", classes=("a",))


def test_objects_in_a_file_are_still_refused(tmp_path):
    torch.save(
        {"f_state_dict": {}, "test_info": np.array([pytest], dtype=object)[:0], "x": range(3)},
        tmp_path / "a.pt",
    )
    with pytest.raises(FormatError, match="holds more than tensors"):
        import_weights(tmp_path / "a.pt", tmp_path / "m")


def _photographs(kind, place):
    import transformers

    with torch.random.fork_rng():
        torch.manual_seed(3)
        if kind == "focalnet":
            config = transformers.FocalNetConfig(
                embed_dim=8, depths=[1, 2, 1, 1], image_size=224, use_layerscale=True
            )
            made = transformers.FocalNetForImageClassification(config)
        else:
            config = transformers.ViTConfig(
                hidden_size=64,
                num_hidden_layers=2,
                num_attention_heads=1,
                intermediate_size=256,
                image_size=64,
            )
            made = transformers.ViTForImageClassification(config)
    made.save_pretrained(place)
    return made.eval()


@pytest.mark.parametrize("kind", ["focalnet", "vit-image"])
def test_networks_for_photographs_become_backbones(checkpoints, tmp_path, kind):
    with checkpoints.quietly():
        theirs = _photographs(kind, tmp_path / "hub")
    made = import_weights(tmp_path / "hub" / "model.safetensors", tmp_path / "m")
    assert made.kind == kind and made.details["left_out"] == ["classifier"]
    model = open_model(str(tmp_path / "m"))
    assert not model.has_logits
    side = model.front_end.side
    pictures = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    inside = theirs.focalnet if kind == "focalnet" else theirs.vit
    with torch.no_grad():
        output = inside(pixel_values=pictures.expand(-1, 3, -1, -1), output_hidden_states=True)
        if kind == "focalnet":
            wanted = output.reshaped_hidden_states[-1].mean((2, 3))
        else:
            wanted = output.last_hidden_state.mean(1)
        torch.testing.assert_close(model.net(pictures), wanted, atol=1e-5, rtol=1e-5)


def test_names_on_disk_become_names_of_modules(parity):
    vectors = parity("networks")
    stored, modules = (
        [row.partition("|")[0] for row in vectors[f"keys/vit_small_{name}"].tolist()]
        for name in ("as_saved_on_disk", "modules_5.23")
    )
    assert sorted(map(_renamed, stored)) == sorted(modules)


def test_activation_probabilities_of_aape_are_selected_from(tmp_path, parity):
    vectors = parity("lape")
    case = "E_10cls_top2pct"
    p = torch.from_numpy(vectors[f"{case}/activation_probs"])  # (layer, neuron, class)
    (tmp_path / "classes.txt").write_text("\n".join(f"class {at}" for at in range(10)))
    for place, axes in {"a": (0, 1, 2), "b": (2, 0, 1)}.items():
        torch.save(p.permute(axes).contiguous(), tmp_path / "over_zero.pt")
        made = import_weights(tmp_path / "over_zero.pt", tmp_path / place)
        arrays, note = tensors.read_with_note(made.out)
        assert (made.kind, note["unit"], len(note["classes"])) == ("aape-counts", "probability", 10)
        found = select(arrays["counts"], arrays["n_observations"], top_rate=0.02)
        np.testing.assert_array_equal(found.triples, vectors[f"{case}/final_class_layer_neuron"])


def test_counts_of_lape_and_tasks_of_aape(tmp_path, parity):
    vectors = parity("lape")
    counts, n = vectors["H_2cls/over_zero"], vectors["H_2cls/n"]
    read = []
    for at in range(2):
        kept = {"n": int(n[at]), "over_zero": torch.from_numpy(counts[:, :, at].copy())}
        torch.save(kept, tmp_path / f"activation.{at}.pt")
        read.append(tensors.read(import_weights(tmp_path / f"activation.{at}.pt", tmp_path / str(at)).out))
    together = [np.concatenate([one[name] for one in read], -1) for name in ("counts", "n_observations")]
    np.testing.assert_array_equal(select(*together).triples, vectors["H_2cls/final_class_layer_neuron"])
    torch.save(torch.randn(4, 3840), tmp_path / "features.pt")
    torch.save(torch.tensor([0, 2, 1, 0]), tmp_path / "gts.pt")
    found = import_weights(tmp_path / "features.pt", tmp_path / "f")
    assert found.kind == "aape-task" and tensors.read(found.out)["embeddings"].shape == (4, 3840)
    assert tensors.read(import_weights(tmp_path / "gts.pt", tmp_path / "g").out)["targets"].tolist() == [
        0,
        2,
        1,
        0,
    ]


def test_tables_of_activity_that_cannot_be_read(tmp_path):
    place = tmp_path / "over_zero.pt"
    torch.save(torch.rand(2, 5, 3), place)
    with pytest.raises(FormatError, match=r"none of its axes has 4 entries"):
        import_weights(place, tmp_path / "a", classes=("a", "b", "c", "d"))
    torch.save(torch.ones(2, 5, 3, dtype=torch.int64), place)
    with pytest.raises(FormatError, match="counts without how many were observed"):
        import_weights(place, tmp_path / "a")
    torch.save(1 + torch.rand(2, 5, 3), place)
    with pytest.raises(FormatError, match="probabilities above 1"):
        import_weights(place, tmp_path / "a")
    torch.save(-torch.rand(2, 5, 3), place)
    with pytest.raises(FormatError, match="neither counts nor probabilities"):
        import_weights(place, tmp_path / "a")


def test_networks_without_classes():
    for build in (conv2d.build, cnn14_speechbrain.build):
        encoder = build((), n_classes=0, width=2)
        assert not encoder.has_logits and encoder(torch.zeros(2, 1, 16000)).ndim == 2
    with pytest.raises(InputError, match="a vgg needs at least one output neuron"):
        vgg.build((), n_classes=0)
