"""L-MAC and PIQ from training to explanation: what is learnt, kept, opened, refused; any length; parts of codes."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.data.contaminate import Contaminator
from otoscope.errors import InputError, UnknownNameError
from otoscope.explain.lmac import RECIPE as LMAC
from otoscope.explain.lmac import LmacExplainer
from otoscope.explain.lmac_losses import binary_cross_entropy
from otoscope.explain.methods import methods
from otoscope.explain.piq import RECIPE as PIQ
from otoscope.explain.piq import PiqExplainer, loud, mask_of
from otoscope.explain.randomise import cascade
from otoscope.explain.score import ScoreConfig, score
from otoscope.explain.sounds import Sounds
from otoscope.explain.train_explainer import configured, train_explainer
from otoscope.explain.trained import open_explainer, read_explainer
from otoscope.explain.training_noise import training_noise
from otoscope.explain.windows import explain
from otoscope.models import cnn14_speechbrain, conv2d, folder
from otoscope.models.train import train

SOUNDS = "sounds:?n=30&kinds=pure_tone,broadband_noise,clicks&duration_s=0.5"
SMALL = {"test_folds": "5", "valid": 0.2, "batch_size": 8, "width": 8}


@pytest.fixture(scope="module")
def clips():
    return open_data(SOUNDS)


@pytest.fixture(scope="module")
def classifier(clips, tmp_path_factory):
    config = {
        "test_folds": "5",
        "epochs": 14,
        "batch_size": 12,
        "learning_rate": 5e-3,
        "options": {"width": 4, "n_mels": 32},
        "time_shift_s": 0.1,
        "valid": 0.2,
    }
    return train("cnn", clips, tmp_path_factory.mktemp("classifier") / "model", config).eval()


@pytest.fixture(scope="module")
def waveform(clips, classifier):
    return torch.from_numpy(Sounds.of(clips, classifier, range(6)).waveforms)


@pytest.fixture(scope="module")
def lmac(clips, classifier, tmp_path_factory):
    out = tmp_path_factory.mktemp("lmac") / "explainer"
    how = {**SMALL, "epochs": 10, "learning_rate": 1e-2, "sparsity": 4.0}
    return train_explainer("lmac", classifier, clips, out, how), out


@pytest.fixture(scope="module")
def piq(clips, classifier, tmp_path_factory):
    out = tmp_path_factory.mktemp("piq") / "explainer"
    how = {**SMALL, "epochs": 20, "learning_rate": 1e-2, "n_codes": 40, "n_shared": 4, "revive": 2}
    return train_explainer("piq", classifier, clips, out, how), out


@dataclass(frozen=True)
class Hiss:
    """White noise mixed in, by the training's own generator."""

    level: float = 0.05

    def __call__(self, waveforms, rows, generator):
        return waveforms + self.level * torch.randn(waveforms.shape, generator=generator)


class TestLmac:
    """Trained on the decision."""

    def test_it_learns_and_says_how(self, lmac) -> None:
        account = json.loads((lmac[1] / "training.json").read_text())
        losses = [row["valid_loss"] for row in account["history"]]
        assert account["best"]["valid_loss"] == min(losses) < losses[0]
        assert {"fidelity", "faithfulness", "gain", "mask_size", "loss"} <= set(account["test"])
        assert 0 < account["test"]["mask_size"]["mean"] < 0.5
        assert read_explainer(lmac[1])["net"]["layers"] == [f"blocks.{one}" for one in (3, 2, 1, 0)]

    def test_it_beats_masks_of_its_size(self, lmac, clips, classifier) -> None:
        sounds = Sounds.of(clips, classifier)
        how = ScoreConfig(controls=("random-size",), removals=("zero",))
        table = score(classifier, sounds, {"lmac": lmac[0]}, how)
        own, chance = (
            table.filter(pl.col("control").is_null() if one is None else pl.col("control") == one)
            for one in (None, "random-size")
        )
        assert own["average_drop"].mean() < chance["average_drop"].mean()
        assert own["faithfulness"].mean() > chance["faithfulness"].mean()

    def test_any_length_and_the_model_as_it_was(self, lmac, classifier, waveform) -> None:
        found = explain(lmac[0], classifier, waveform)
        alone = explain(lmac[0], classifier, waveform[2:3])
        assert torch.allclose(found.mask[2:3], alone.mask, atol=1e-5)
        assert found.facts["target_used"] is False
        longer = explain(lmac[0], classifier, torch.cat([waveform, waveform[..., :5000]], 2))
        assert longer.mask.shape[2] == longer.spectrogram.n_frames(13000)
        direct = lmac[0](classifier, waveform[..., :6000])
        assert direct.mask.shape[2] == found.spectrogram.n_frames(6000)
        assert not classifier.training and all(one.requires_grad for one in classifier.parameters())

    def test_fine_tuning_goes_on_from_a_folder(self, lmac, clips, classifier, tmp_path) -> None:
        how = {**SMALL, "epochs": 1, "learning_rate": 1e-9, "start_from": str(lmac[1]), "guidance": "binary"}
        how["gate"] = -1.0
        tuned = train_explainer("lmac", classifier, clips, tmp_path / "ft", how, contamination=Hiss())
        first, then = (one.net.state_dict() for one in (lmac[0], tuned))
        assert all(torch.allclose(first[name], then[name], atol=1e-6) for name in first)
        both = [lmac[1], tmp_path / "ft"]
        assert [one.name for one in methods([], both, {}, classifier)] == ["lmac", "lmac-finetuned"]
        account = json.loads((tmp_path / "ft" / "training.json").read_text())
        assert account["best"]["valid_gated"] == 1.0 and "Hiss" in account["contamination"]

    def test_refusals(self, lmac, piq, clips, classifier, tmp_path) -> None:
        with pytest.raises(InputError, match="start_from"):
            train_explainer("lmac", classifier, clips, tmp_path / "a", {**SMALL, "guidance": "mse"})
        with pytest.raises(InputError, match="is a piq on"):
            how = {**SMALL, "start_from": str(piq[1])}
            train_explainer("lmac", classifier, clips, tmp_path / "b", how)
        with pytest.raises(InputError, match="architecture='any'"):
            train_explainer("lmac", classifier, clips, tmp_path / "c", SMALL, preset="lmac-2024")

    def test_the_published_preset(self) -> None:
        how = configured(LMAC, {"width": 3}, "lmac-2024")
        assert (how.mask_in, how.mask_out, how.sparsity, how.width) == (4.0, 0.2, 0.4, 3)
        assert (how.regulariser, how.out_term, how.domain) == ("as-published", "as-published", "log1p")
        assert (how.epochs, how.learning_rate, how.metric, how.clip_norm) == (200, 2e-4, None, None)
        assert configured(LMAC, {"start_from": "x"}, "lmac-2024-finetuned").guidance == "binary"

    def test_the_published_decoder_of_cnn14(self, clips, tmp_path) -> None:
        model = cnn14_speechbrain.build(("a", "b", "c"), width=2, clip_s=0.861).eval()
        how = {"epochs": 1, "batch_size": 4, "test_folds": "3-5"}
        found = train_explainer("lmac", model, clips, tmp_path / "out", how, preset="lmac-2024")
        mask = found(model, torch.randn(1, 1, 13776)).mask
        assert isinstance(found, LmacExplainer) and type(found.net).__name__ == "PublishedLmac"
        assert mask.shape == (1, 513, 75) and bool((mask[..., 73:] == 0).all()) and float(mask.mean()) > 0


class TestPiq:
    """Trained to tell what is loud in codes of a class."""

    def test_it_learns_what_is_loud(self, piq, classifier, waveform) -> None:
        account = json.loads((piq[1] / "training.json").read_text())
        losses = [row["valid_loss"] for row in account["history"]]
        assert account["best"]["valid_loss"] == min(losses) < losses[0]
        features = piq[0].on.spectrum(waveform.mean(1)).abs().log1p()
        mask, wanted = explain(piq[0], classifier, waveform).mask, loud(features)
        assert float(mask[wanted == 1].mean()) > 1.2 * float(mask[wanted == 0].mean())

    def test_codes_are_its_parts(self, piq, classifier, waveform) -> None:
        found = explain(piq[0], classifier, waveform[:2], "broadband noise")
        relevance, names = found.parts.relevance, found.parts.names
        assert torch.allclose(relevance.sum(1), torch.ones(2), atol=1e-5)
        assert all("broadband noise" in name or "shared" in name for name in found.facts["codes_used"][0])
        used = [i for i in range(len(names)) if bool(found.parts.chosen[:, i].any())]
        assert used and torch.allclose(sum(found.parts.mask(i) for i in used), found.mask, atol=1e-4)
        other = explain(piq[0], classifier, waveform[:2], "clicks")
        assert not torch.allclose(found.mask, other.mask)

    def test_table_of_codes(self, piq) -> None:
        table = pl.read_parquet(piq[1] / "codes.parquet")
        assert table["share"].sum() == pytest.approx(1, abs=1e-4) and len(table) == 40
        assert table.filter(pl.col("share") > 0)["n_clips"].min() >= 1

    def test_a_target_is_a_class(self, piq, classifier, waveform) -> None:
        with pytest.raises(InputError, match="name a class"):
            piq[0](classifier, waveform, lambda output: output[:, 0])

    def test_reopened(self, piq, classifier, waveform) -> None:
        again = open_explainer(piq[1], classifier)
        assert isinstance(again, PiqExplainer)
        assert torch.equal(again(classifier, waveform).mask, piq[0](classifier, waveform).mask)

    def test_magnitude_output(self, clips, classifier, waveform, tmp_path) -> None:
        how = {**SMALL, "epochs": 1, "n_codes": 12, "n_shared": 0, "output": "magnitude"}
        found = train_explainer("piq", classifier, clips, tmp_path / "out", how)(classifier, waveform)
        assert set(found.mask.unique().tolist()) <= {0.0, 1.0} and found.ranking is not None

    def test_the_published_threshold_depends_on_the_batch(self) -> None:
        picture = torch.tensor([[[8.0, 1.0]], [[1.0, 0.5]]])
        assert mask_of(picture, "magnitude", "clip").tolist() == [[[1, 0]], [[1, 1]]]
        assert mask_of(picture, "magnitude", "batch").tolist() == [[[1, 0]], [[0, 0]]]
        assert torch.equal(mask_of(picture, "mask", "batch"), picture.sigmoid())

    def test_target_mask_and_loss_as_published(self, parity) -> None:
        file = parity("posthoc")
        whole, wanted = (torch.from_numpy(file[f"piq/{one}"]) for one in ("X", "target_mask"))
        assert torch.equal(loud(whole)[:, :6], wanted)
        found = binary_cross_entropy(torch.from_numpy(file["piq/mask"]), wanted)
        assert float(found.mean()) == pytest.approx(float(file["piq/rec_loss"]), rel=1e-5)

    def test_the_published_network_of_conv2d(self, clips, tmp_path) -> None:
        model = conv2d.build(("a", "b", "c"), width=4, clip_s=0.5).eval()
        how = {"epochs": 1, "batch_size": 4, "test_folds": "3-5", "n_codes": 30}
        found = train_explainer("piq", model, clips, tmp_path / "out", how, preset="piq-speechbrain")
        explanation = found(model, torch.randn(2, 1, 8000), 1)
        missing = explanation.facts["frames_without_mask"]
        assert type(found.net).__name__ == "PublishedPiq" and missing > 0
        assert bool((explanation.mask[..., -missing:] == 0).all())
        assert float(explanation.mask[..., :-missing].min()) > 0
        used = int(explanation.parts.chosen[0].nonzero()[0, 0])
        assert explanation.parts.mask(used).shape == explanation.mask.shape
        assert configured(PIQ, None, "piq-speechbrain").shared == "forbidden-in-training"

    def test_trained_explainers_follow_the_network(self, lmac, piq, classifier, waveform) -> None:
        for one in (lmac[0], piq[0]):
            falls = cascade(one, classifier, waveform)
            assert np.nanmean(list(falls.values())[-1]) < 0.9
        assert np.allclose(
            next(iter(cascade(lmac[0], classifier, waveform).values())), 1.0
        )  # the head is not heard


class TestTrainingNoise:
    """What is mixed into training sound."""

    def test_other_mixtures_every_batch_the_same_in_every_training(self, clips) -> None:
        sound = torch.randn(3, 1, 8000, generator=torch.Generator().manual_seed(1))
        sound[2] = 0
        rows = np.array([0, 1, 2])
        for kind in ("white", "clip"):
            add = training_noise(kind, 6.0, 16000, clips)
            first, again = (torch.Generator().manual_seed(0) for _ in range(2))
            one, two, same = add(sound, rows, first), add(sound, rows, first), add(sound, rows, again)
            assert torch.equal(one, same) and not torch.allclose(one[:2], two[:2])
            assert torch.equal(one[2], sound[2])
            ratio = sound[:2].square().sum((1, 2)) / (one - sound)[:2].square().sum((1, 2))
            assert torch.allclose(10 * ratio.log10(), torch.full((2,), 6.0), atol=0.01)
            assert "clips" not in str(add) and kind in str(add)

    def test_no_other_part_is_heard_in_training(self, clips) -> None:
        add = training_noise("clip", 0.0, 16000, clips, rows=range(1, 9))
        sources = {
            Contaminator("clip", 16000, add.drawn, seed, drawn_from=add.drawn_from)(
                np.ones((1, 800), np.float32), clips.table["id"][0], 0.0
            ).source
            for seed in range(30)
        }
        assert sources <= set(clips.table["id"][1:9]) and len(sources) > 1

    def test_refusals(self, clips) -> None:
        with pytest.raises(InputError, match="give contaminants"):
            training_noise("noise", 0.0, 16000, clips)
        with pytest.raises(InputError, match="takes no contaminants"):
            training_noise("white", 0.0, 16000, clips, clips)
        with pytest.raises(UnknownNameError, match="contaminant"):
            training_noise("pink", 0.0, 16000, clips)

    def test_on_the_command_line(self, lmac, classifier, tmp_path, capsys) -> None:
        folder.save(classifier, tmp_path / "model")
        command = [
            "train-explainer",
            "lmac",
            str(tmp_path / "model"),
            "--data",
            SOUNDS,
            "--out",
            str(tmp_path / "out"),
        ]
        command += ["--from", str(lmac[1]), "--contamination", "white", "--snr", "3", "--epochs", "1"]
        command += ["--test-folds", "5", "--valid", "0.2", "--set", "width=8", "--set", "guidance=binary"]
        assert call(command) == 0, capsys.readouterr().err
        account = json.loads((tmp_path / "out" / "training.json").read_text())
        assert "snr_db=3.0" in account["contamination"] and "valid_gated" in account["best"]
        assert call(["train-explainer", "piq", *command[2:]]) == 2
        assert "--from takes" in capsys.readouterr().err
