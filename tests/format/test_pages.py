"""Every column and key that the current code writes stands on its page in docs/format, and the other way round."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import zarr

from otoscope.caption.acoustic.captioner import COLUMNS as MEASUREMENTS
from otoscope.caption.stage import CaptionConfig, caption
from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.describe import closed
from otoscope.describe.config import DescribeConfig, TabConfig
from otoscope.describe.stage import describe
from otoscope.models import import_weights, open_model, panns
from otoscope.models.train import TrainConfig, train
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.store import manifest, tables
from otoscope.store.export import WRITERS
from otoscope.store.run import FORMAT_VERSION, Run
from tests.data.layouts import BUILDERS
from tests.docs.pages import table_names
from tests.format import make_golden
from tests.format.pages import PAGES, Ears, keys, same, typed, without_maps


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what make_golden.py makes with the current code."""
    folder = tmp_path_factory.mktemp("now") / "golden"
    make_golden.make(folder)
    return folder


@pytest.fixture(scope="module")
def pooled(made: Path) -> Run:
    return Run(made / "pooled")


@pytest.fixture(scope="module")
def topk(made: Path) -> Run:
    return Run(made / "topk")


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run on synthesised sounds, captioned by the collection and a file, described by captions and sound."""
    folder = tmp_path_factory.mktemp("synthetic")
    clips = open_data("sounds:?n=12&kinds=rain,siren&duration_s=0.5")
    config = RecordConfig(layers=("blocks.0",), top_k=2)
    run = record(open_model("demo:"), clips, folder / "run", config)
    (folder / "said.csv").write_text("id,text\n" + f"{clips.table['id'][0]},a sound\nnobody,nothing\n")
    for captioner in ("labels:kind", "metadata:params", f"file:{folder / 'said.csv'}"):
        caption(run, clips, CaptionConfig(captioner=captioner))
    describe(run, DescribeConfig(captions="labels", concepts="labels", permutations=20, replicates=20))
    heard = TabConfig(concepts="labels", permutations=20, replicates=20)
    describe(run, heard, method="tab", encoder=Ears(), clips=clips)
    return run


def test_run_json(pooled: Run, synthetic: Run) -> None:
    documented = without_maps(table_names(PAGES / "run.md", "run.json"))
    written = set(keys(pooled.manifest, ("record",)))
    assert written | set(keys(synthetic.manifest, ("record",))) == documented
    assert FORMAT_VERSION == 1
    assert set(pooled.manifest["record"]) == set(table_names(PAGES / "run.md", "record"))


def test_stage_markers(pooled: Run, topk: Run, synthetic: Run) -> None:
    common = set(table_names(PAGES / "run.md", "Stage markers"))
    text = (PAGES / "run.md").read_text(encoding="utf-8").split("## Stage markers")[1]
    parts = dict(re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    found: dict[str, set[str]] = {name: set() for name in parts}
    for run in (pooled, topk, synthetic):
        for path in (run.root / "stages").glob("*.json"):
            marker = manifest.read(path)
            assert set(marker) == common and marker["stage"] == path.stem
            kind = marker["stage"].partition("-")[0] + ("-NAME" if "-" in marker["stage"] else "")
            inside = {name: marker[name] for name in ("config", "inputs", "notes")}
            maps = ("notes.flags", "notes.layers_left_out", "config.parameters")
            found[kind] |= set(keys(inside, (*maps, "config") if kind == "record" else maps))
    for kind in ("record", "caption-NAME", "describe-NAME", "describe"):
        documented = without_maps(re.findall(r"^\| `([^`]+)` \|", parts[kind], re.MULTILINE))
        if kind == "caption-NAME":  # captioners that are asked: test_stage_tables
            documented -= {
                one
                for one in documented
                if re.match(r"notes\.(listener|model|prompt|cleaning|s(ample|eed))", one)
            }
        assert found[kind] - {"config"} == documented, kind


def test_clips(pooled: Run, synthetic: Run) -> None:
    documented = typed("clips.md", "Columns of every run")
    table = pooled.clips()
    same(table.drop("label"), documented)
    assert table["label"].dtype == pl.String
    own = set(table_names(PAGES / "clips.md", "Columns of the collections that come with Otoscope"))
    assert set(synthetic.clips().columns) - set(documented) == {"label", "kind", "params"} <= own


def test_columns_of_published_collections(tmp_path: Path) -> None:
    own = set(table_names(PAGES / "clips.md", "Columns of the collections that come with Otoscope"))
    standard = set(typed("clips.md", "Columns of every run"))
    esc = tmp_path / "esc"
    for name in ("audio", "meta"):
        (esc / name).mkdir(parents=True)
    (esc / "audio" / "1-1-A-0.wav").touch()
    (esc / "meta" / "esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n1-1-A-0.wav,1,0,dog,True,1,A\n"
    )
    (esc / "meta" / "attribution.csv").write_text(
        "filename,title,author,license,source\n1-1-A-0.wav,A dog,Ann,CC BY,somewhere\n"
    )
    (tmp_path / "fsdd" / "recordings").mkdir(parents=True)
    (tmp_path / "fsdd" / "recordings" / "0_ann_0.wav").touch()
    city = tmp_path / "city"
    for name in ("audio/fold1", "metadata"):
        (city / name).mkdir(parents=True)
    (city / "audio" / "fold1" / "7-3-0-0.wav").touch()
    (city / "metadata" / "UrbanSound8K.csv").write_text(
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n7-3-0-0.wav,7,0.0,1.0,1,1,3,dog_bark\n"
    )
    (tmp_path / "gtzan" / "blues").mkdir(parents=True)
    (tmp_path / "gtzan" / "blues" / "blues.00000.wav").touch()
    (tmp_path / "artists.csv").write_text("file,artist\nblues.00000.wav,Ann\n")
    specs = [f"esc50:{esc}", f"fsdd:{tmp_path / 'fsdd'}", "sounds:2", f"urbansound8k:{city}"]
    specs.append(f"gtzan:{tmp_path / 'gtzan'}?artists={tmp_path / 'artists.csv'}")
    specs += [f"{scheme}:{build(tmp_path)}" for scheme, build in BUILDERS.items() if scheme != "evar"]
    inside = "%3Fn=30%26kinds=rain,siren,pure_tone%26duration_s=0.3"
    specs += ["notes:pluck?takes=1", "mix:sounds:20?n=2", f"contaminated:sounds:{inside}"]
    named = {"label"}
    for spec in specs:
        named |= set(open_data(spec).table.columns) - standard
    assert named == own - {"hub_row", "hub_bytes"}  # those of the hub: tests/data/test_hub.py


def test_events(pooled: Run) -> None:
    same(tables.read(pooled.root / "events.parquet"), typed("clips.md", "events.parquet"))


def test_neurons(pooled: Run, topk: Run) -> None:
    for run in (pooled, topk):
        same(run.neurons(), typed("neurons.md", "neurons.parquet"))


def test_arrays(pooled: Run, topk: Run) -> None:
    documented = table_names(PAGES / "activations.md")
    found = {path.relative_to(pooled.root).as_posix() for path in pooled.root.rglob("*.zarr")}
    named = {one.replace("<layer>", layer.name) for one in documented for layer in pooled.layers}
    assert found == named
    assert not list(topk.root.rglob("*.zarr"))
    kinds = {"activations": "float32", "counts": "uint32", "positions.zarr": "uint32"}
    for name in found:
        array = zarr.open_array(str(pooled.root / name), mode="r")
        assert array.metadata.zarr_format == 3
        assert str(array.dtype) == kinds[name.split("/")[0]]


def test_evidence(pooled: Run, topk: Run) -> None:
    text = (PAGES / "evidence.md").read_text(encoding="utf-8")
    kinds = dict(re.findall(r"^\| `(\w+)` \| \([^|]+\) \| (\w+) \|", text, re.MULTILINE))
    for run in (pooled, topk):
        for layer in run.layers:
            assert {name: str(one.dtype) for name, one in run.evidence(layer.name).items()} == kinds


def test_captions(pooled: Run, synthetic: Run) -> None:
    columns = typed("captions.md", "Columns of every captioner")
    for name in synthetic.listing("captions"):
        same(synthetic.table("captions", name)[1], columns)
    measured = table_names(PAGES / "captions.md", "Further columns of `acoustic`")
    assert measured == list(MEASUREMENTS)
    acoustic = pooled.table("captions", "acoustic")[1]
    assert acoustic.columns == [*columns, *measured]
    assert {acoustic.schema[name] for name in measured} == {pl.Float64}


def test_measurements_are_explained_in_their_module() -> None:
    text = (PAGES / "captions.md").read_text(encoding="utf-8")
    for name, module in re.findall(r"^\| `(\w+)` \| ([a-z]+) \| ", text, re.MULTILINE):
        described = importlib.import_module(f"otoscope.caption.acoustic.{module}").__doc__ or ""
        assert name in described or module in ("loudness", "captioner"), name


def test_descriptions(pooled: Run, synthetic: Run) -> None:
    for run in (pooled, synthetic):
        for name in run.listing("descriptions"):
            same(run.table("descriptions", name)[1], typed("descriptions.md", "db-HASH, tab-HASH"))


def test_flags(pooled: Run, synthetic: Run) -> None:
    documented = table_names(PAGES / "descriptions.md", "Flags")
    assert documented == re.findall(r"^``([\w-]+)``", closed.__doc__ or "", re.MULTILINE)
    for run in (pooled, synthetic):
        found = pl.concat(run.table("descriptions", name)[1]["flags"] for name in run.listing("descriptions"))
        given = {one for flags in found for one in flags.split(";") if one}
        assert given and given <= set(documented)


def test_model_folder(made: Path) -> None:
    content = manifest.read(made / "model" / "model.json")
    documented = set(table_names(PAGES / "models.md", "model.json"))
    assert set(content) == {one for one in documented if not one.startswith("origin.")}
    account = manifest.read(made / "model" / "training.json")
    assert content["training"] == {name: value for name, value in account.items() if name != "history"}
    names = without_maps(table_names(PAGES / "models.md", "training.json"))
    plain = {one for one in names if not one.startswith("start.")}
    assert set(keys(account, ("config", "test.class_accuracy"))) | {"test"} == plain


def test_a_training_from_another_network(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    config = TrainConfig(start_from="model", valid=0.3, epochs=1, batch_size=4)
    train("cnn", open_data(make_golden.DATA), tmp_path / "model", config)
    start = manifest.read(tmp_path / "model" / "training.json")["start"]
    names = table_names(PAGES / "models.md", "training.json")
    assert [f"start.{one}" for one in sorted(start)] == sorted(
        one for one in names if one.startswith("start.")
    )
    assert start["head"] == "kept"


def test_an_imported_network(tmp_path: Path) -> None:
    released, published = panns.build("cnn6", (), n_classes=3, width=2, sample_rate=8000, seed=5), {}
    n_fft = panns.FRONT_ENDS[8000][0]
    spectrum = np.fft.fft(np.eye(n_fft))[: n_fft // 2 + 1] * np.hanning(n_fft + 1)[:-1]
    for name, part in (("conv_real", spectrum.real), ("conv_imag", spectrum.imag)):
        kernel = torch.from_numpy(part[:, None].astype(np.float32))
        published[f"spectrogram_extractor.stft.{name}.weight"] = kernel
    published["logmel_extractor.melW"] = released.front_end.mel.weights.T.clone()
    torch.save({"model": {**published, **released.net.state_dict()}}, tmp_path / "cnn6.pth")
    import_weights(tmp_path / "cnn6.pth", tmp_path / "model")
    content = manifest.read(tmp_path / "model" / "model.json")
    names = set(table_names(PAGES / "models.md", "model.json"))
    assert set(keys(content, ("options",))) == names - {"training"}
    assert content["origin"]["kind"] == "panns"


def test_files_of_a_run_are_all_listed(pooled: Run, topk: Run) -> None:
    listed = [name for name in table_names(PAGES / "README.md") if "model" not in name]
    known = {re.split(r"[/<]", name)[0] for name in listed}
    for run in (pooled, topk):
        assert {path.name for path in run.root.iterdir()} <= known


@pytest.mark.parametrize("to", sorted(WRITERS))
def test_export(pooled: Run, tmp_path: Path, to: str) -> None:
    assert call(["export", str(pooled.root), "--to", to, "--out", str(tmp_path / "out"), "--quiet"]) == 0
    documented = table_names(PAGES / "export.md")
    assert to in documented
    found = {path.name for path in (tmp_path / "out").iterdir()}
    stems = {re.split(r"[-.]", name)[0] for name in found}
    assert stems == {re.split(r"[-.]", name)[0] for name in documented} - set(WRITERS)
    assert manifest.read(tmp_path / "out" / "run.json") == pooled.manifest
    name = pooled.table("descriptions")[0]
    path = tmp_path / "out" / f"descriptions-{name}.{to}"
    readers = {"csv": pl.read_csv, "json": pl.read_json, "parquet": pl.read_parquet}
    assert readers[to](path).columns == pooled.table("descriptions")[1].columns
