"""otoscope explain: what is written, skipped, refused, and that any length and any target works."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import otoscope
from otoscope.audio.read import read
from otoscope.audio.write import write
from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.errors import EmptyDataError, InputError, ModelError, UnknownNameError
from otoscope.explain.asked import asked
from otoscope.explain.cases import cases
from otoscope.explain.content import content
from otoscope.explain.explanation import Explanation
from otoscope.explain.hearing import outputs
from otoscope.explain.judge import probabilities
from otoscope.explain.request import Aim, ExplainConfig
from otoscope.explain.sounding import active_s, sounding
from otoscope.explain.sounds import Sounds
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.stage import explain
from otoscope.models import cnn
from otoscope.models import folder as saved
from otoscope.store import explanations as store
from otoscope.store import tables
from tests.data.layouts import sonyc_ust

FEW = {"draws": 2, "controls": ("random-matched", "all-pass")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return three sound files: one window, two and a half windows, and a broken one."""
    root = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(1)
    for name, seconds in (("short", 1.0), ("long", 2.6)):
        time_s = np.arange(int(16000 * seconds)) / 16000
        wave = 0.3 * np.sin(2 * np.pi * 700 * time_s) * (time_s > 0.4) + 0.01 * rng.standard_normal(
            len(time_s)
        )
        write(root / f"{name}.wav", wave[None].astype(np.float32), 16000)
    (root / "broken.wav").write_bytes(b"RIFF")
    return root


@pytest.fixture(scope="module")
def made(model, folder: Path, tmp_path_factory: pytest.TempPathFactory):
    """Return one call of the stage on both sounds, by two methods."""
    out = tmp_path_factory.mktemp("run") / "run"
    config = ExplainConfig(methods=("amt", "saliency"), **FEW)
    return explain(model, None, out, config, which=[folder / "short.wav", folder / "long.wav"])


def test_everything_is_written_and_as_long_as_the_clip(made) -> None:
    assert made.made == len(made.kept) == 4
    for one in made.kept:
        assert {path.name for path in one.folder.iterdir()} == {
            *(f"{name}.flac" for name in store.SOUNDS),
            *(f"{name}.png" for name in store.PICTURES),
            "explanation.json",
            "scores.json",
            "mask.zarr",
        }
        sounds = {name: read(one.sound(name))[0] for name in store.SOUNDS}
        assert len({wave.shape for wave in sounds.values()}) == 1
        assert sounds["original"].shape[1] == round(16000 * one.manifest["duration_s"])
        total = sounds["explanation"] + sounds["remainder"]
        assert np.abs(total - sounds["original"]).max() < 3 * 2**-15  # a mask in the linear domain adds up
        mask = one.mask()
        assert mask.shape[1] == one.manifest["n_frames"] and 0 <= mask.min() <= mask.max() <= 1
        assert not any(part.name.startswith(".") for part in one.folder.parent.iterdir())


def test_scores_stand_beside_controls_with_intervals_where_they_are_drawn(made) -> None:
    scores = made.kept[0].scores
    controls = {one["control"]: one for one in scores["controls"]}
    assert controls["random-matched"]["draws"] == 2 and controls["all-pass"]["draws"] == 1
    assert controls["random-matched"]["faithfulness"]["low"] is not None
    assert controls["all-pass"]["faithfulness"]["low"] is None
    assert controls["all-pass"]["average_drop"]["mean"] == pytest.approx(0, abs=1e-3)
    explained = scores["probabilities"][0]
    assert scores["measures"]["faithfulness"] == pytest.approx(explained["input"] - explained["remainder"])
    assert sum(one["input"] for one in scores["probabilities"]) == pytest.approx(1, abs=1e-6)


def test_a_second_call_makes_nothing_and_a_lost_one_is_made_again(model, folder, made) -> None:
    config = ExplainConfig(methods=("amt", "saliency"), **FEW)
    before = {one.folder: (one.folder / "scores.json").read_bytes() for one in made.kept}
    lost = made.kept[1].folder
    (lost / "explanation.json").unlink()  # as a kill in the middle of a copy would leave it
    again = explain(model, None, made.run.root, config, which=[folder / "short.wav", folder / "long.wav"])
    assert again.made == 1
    assert {one.folder: (one.folder / "scores.json").read_bytes() for one in again.kept} == before


def test_rows_ids_and_files_name_clips(folder) -> None:
    clips = open_data("sounds:6")
    name = str(clips.table["id"][2])
    assert asked([name], clips)[0].row == asked([2], clips)[0].row == 2
    file = asked([str(folder / "short.wav")], clips)[0]
    assert file.outside and file.folder.startswith("sound-") and file.folder.endswith("-short")
    assert len(asked([name, 2], clips)) == 1
    with pytest.raises(UnknownNameError, match=r"unknown clip 'nothing'"):
        asked(["nothing"], clips)
    with pytest.raises(UnknownNameError, match=r"no file either"):
        asked(["nothing"], None)
    with pytest.raises(InputError, match=r"name sound files"):
        asked([], None)


def test_every_class_above_a_level_is_explained(model, folder, tmp_path) -> None:
    config = ExplainConfig(methods=("amt",), target="all-above:0.0", controls=(), **{"draws": 1})
    found = explain(model, None, tmp_path / "run", config, which=[folder / "short.wav"])
    assert [one.manifest["target"]["name"] for one in found.kept] == list(model.classes)
    assert found.kept[0].manifest["config"]["activation"] == "sigmoid"
    none = explain(
        model,
        None,
        tmp_path / "run",
        config.model_copy(update={"target": "all-above:0.999"}),
        which=[folder / "short.wav"],
    )
    assert not none.kept and none.without_target == ("short.wav",)


def test_any_number_of_the_output_is_explained(model, folder, tmp_path) -> None:
    config = ExplainConfig(methods=("saliency",), target="py:tests.explain.test_stage:margin", controls=())
    found = explain(model, None, tmp_path / "run", config, which=[folder / "short.wav"])
    scores = found.kept[0].scores
    assert "faithfulness" not in scores["measures"] and "mask_size" in scores["measures"]
    p = {one["class"]: one["input"] for one in scores["probabilities"]}
    assert scores["value"]["input"] == pytest.approx(np.log(p["dog"] / p["rain"]), abs=1e-4)


def margin(output: torch.Tensor) -> torch.Tensor:
    """Return how far the first class is above the second."""
    return output[:, 0] - output[:, 1]


def test_what_cannot_be_done_is_said(model, folder, made, tmp_path) -> None:
    config = ExplainConfig(methods=("amt",), **FEW)
    short = [folder / "short.wav"]
    other = cnn.build(("a", "b"), width=4, clip_s=1.0, n_mels=32).eval()
    with pytest.raises(ModelError, match="run of another network"):
        explain(other, None, made.run.root, config, which=short)
    with pytest.raises(InputError, match="choose another --out"):
        explain(model, "sounds:6", made.run.root, config, which=[0])
    with pytest.raises(EmptyDataError, match="none of the 1 clips can be decoded"):
        explain(model, None, tmp_path / "a", config, which=[folder / "broken.wav"])
    with pytest.raises(InputError, match=r"lmac is trained: give its folder"):
        explain(model, None, tmp_path / "b", config.model_copy(update={"methods": ("lmac",)}), which=short)
    with pytest.raises(UnknownNameError, match=r"unknown option 'cam.layer'"):
        explain(
            model,
            None,
            tmp_path / "b",
            ExplainConfig(methods=("amt",), options={"cam.layer": "x"}),
            which=short,
        )
    with pytest.raises(UnknownNameError, match=r"control of a single clip 'other-same'"):
        ExplainConfig(controls=("other-same",))
    assert not (tmp_path / "b").exists()


def test_one_bad_clip_is_counted_and_the_rest_is_explained(model, folder, tmp_path) -> None:
    config = ExplainConfig(methods=("amt",), controls=())
    found = explain(
        model, None, tmp_path / "run", config, which=[folder / "broken.wav", folder / "short.wav"]
    )
    assert [one.id for one in found.failures] == ["broken.wav"] and found.made == 1


def test_a_broken_sound_is_not_written(model, folder) -> None:
    on = Spectrogram.of(model)
    wave = torch.zeros(1, 1, 16000)
    mask = torch.ones(1, on.settings.n_frequencies, on.n_frames(16000))
    silent = content(model, wave, Explanation(mask, on), Aim("dog", 0), ExplainConfig(controls=()), {}, "")
    assert json.loads(silent.files["scores.json"])["sounds"]["explanation"]["silent"]
    wave[0, 0, 5] = torch.nan
    with pytest.raises(InputError, match="NaN"):
        content(model, wave, Explanation(mask, on), Aim("dog", 0), ExplainConfig(controls=()), {}, "")


def test_how_a_sound_sounds() -> None:
    time_s = np.arange(16000) / 16000
    tone = 0.5 * np.sin(2 * np.pi * 1000 * time_s)[None] * (time_s >= 0.75)
    found = sounding(tone, 16000)
    assert found["level_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2) / 2), abs=0.01)
    assert found["centroid_hz"] == pytest.approx(1000, abs=5) and found["active_s"] == pytest.approx(
        0.26, abs=0.011
    )
    assert active_s(np.zeros((1, 800)), 16000) == 0 and np.isnan(sounding(np.zeros((1, 8)), 8)["centroid_hz"])


def test_cases_by_hand(model) -> None:
    p = np.array([[0.6, 0.3, 0.1], [0.1, 0.45, 0.45]])
    assert cases(model, p, "predicted").targets.tolist() == [0, 1]
    above = cases(model, p, "all-above:0.4")
    assert above.clips.tolist() == [0, 1, 1] and above.targets.tolist() == [0, 1, 2]
    assert cases(model, p, "label", [("rooster", "dog"), ()]).targets.tolist() == [0, 2]
    assert cases(model, p, "rain").targets.tolist() == cases(model, p, "1").targets.tolist() == [1, 1]
    own = cases(model, p, "all-above:0.5,0.2,0.3")
    assert own.clips.tolist() == [0, 0, 1, 1] and own.targets.tolist() == [0, 1, 1, 2]
    with pytest.raises(InputError, match="all-above:NUMBER"):
        cases(model, p, "all-above:much")
    with pytest.raises(
        InputError, match=r"one for each of the network's 3 classes, got 2 in 'all-above:0.5,0.2'"
    ):
        cases(model, p, "all-above:0.5,0.2")
    with pytest.raises(EmptyDataError):
        cases(model, p, "all-above:0.9")


def test_sonyc_ust_each_class_above_its_threshold(tmp_path, capsys) -> None:
    data = f"sonyc-ust:{sonyc_ust(tmp_path)}"
    clips = open_data(data)
    network = cnn.build(clips.label_set("coarse").classes, width=4, clip_s=1.0, n_mels=32).eval()
    network.label_kind = "multi"
    saved.save(network, tmp_path / "model")
    name = str(clips.table["id"][0])
    heard = Sounds.of(clips, network, [0])
    p = probabilities(outputs(network, torch.from_numpy(heard.waveforms)).detach().numpy(), "sigmoid")[0]
    wanted = [0, len(p) - 1]
    levels = ",".join(f"{one - 0.01 if place in wanted else one + 0.01:.6f}" for place, one in enumerate(p))
    asked = f"explain {tmp_path / 'model'} {name} --data {data} --method amt --target all-above:{levels} --json --quiet"
    assert call([*asked.split(), "--set", "controls=all-pass", "--out", str(tmp_path / "run")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["target"] for one in told["explanations"]] == [network.classes[one] for one in wanted]
    asked = f"score-explanations {tmp_path / 'model'} --data {data} --method amt --target all-above:{levels} --quiet"
    few = (
        "--limit 2 --set controls=all-pass --set curves=false --set sanity_clips=0 --set label_fidelity=true"
    )
    assert (
        call([*asked.split(), *few.split(), "--set", "replicates=9", "--out", str(tmp_path / "scores")]) == 0
    )
    table = tables.read(tmp_path / "scores" / "scores.parquet").filter(id=name, control="all-pass")
    assert table["target"].to_list() == wanted
    assert tables.read(tmp_path / "scores" / "fidelity.parquet").height


def test_on_the_command_line_and_in_a_notebook(folder, tmp_path, capsys) -> None:
    out = str(tmp_path / "run")
    arguments = ["explain", "demo:", str(folder / "short.wav"), "--method", "amt", "--out", out, "--quiet"]
    few = ["--set", "controls=all-pass"]
    assert call([*arguments, *few, "--dry-run"]) == 0 and not Path(out).exists()
    assert json.loads(capsys.readouterr().out)["state"] == "new"
    assert call([*arguments, *few, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["made"] == 1 and told["explanations"][0]["method"] == "amt"
    view = otoscope.open(out)
    assert view.explanations.table["method"].to_list() == ["amt"]
    assert view.explanations.controls["control"].unique().to_list() == ["all-pass"]
    assert "<audio" in view._repr_html_() and ": 1 explanation>" in repr(view)
    assert view.explanations.of("short.wav")[0].name == told["explanations"][0]["name"]
