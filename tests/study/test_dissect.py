"""What every stage takes beside objects: specs, folders and dicts; and what it says of anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import otoscope
from otoscope.errors import InputError, UnknownNameError
from otoscope.store.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return otoscope.dissect(
        "demo:",
        "sounds:48",
        tmp_path_factory.mktemp("given") / "run",
        recording={"layers": ("blocks.3", "logits"), "top_k": 4},
        describing={"function": "cos", "permutations": 20, "replicates": 20},
        reporting={"audio": False},
    )


def test_dissect_takes_specs_and_dicts(run: Run) -> None:
    assert (run.manifest["model"]["spec"], run.manifest["data"]["spec"]) == ("demo:", "sounds:48")
    assert [layer.name for layer in run.layers] == ["blocks.3", "logits"]
    assert run.manifest["record"]["top_k"] == 4
    assert (run.root / "report.html").is_file()


def test_the_same_run_of_objects_and_configs(run: Run) -> None:
    from otoscope.record.config import RecordConfig

    model, clips = otoscope.open_model("demo:"), otoscope.open_data("sounds:48")
    again = otoscope.record(model, clips, run.root, RecordConfig(layers=("blocks.3", "logits"), top_k=4))
    assert (run.root / "log.jsonl").read_text().count('"record"') == 1
    assert again == run


def test_stages_take_the_run_its_folder_and_dicts(run: Run) -> None:
    for given in (run, run.root, str(run.root)):
        name = otoscope.caption(given, "sounds:48", {"captioner": "labels"})
        assert name.startswith("labels")
        assert otoscope.describe(
            given, {"function": "cos", "captions": name, "permutations": 0, "replicates": 2}
        ).startswith("db-")
        assert otoscope.report(given, config={"audio": False, "title": "Again"}).path.is_file()
    assert otoscope.ablate(
        str(run.root), "demo:", "sounds:48", {"n_random": 0, "probe": False, "replicates": 2}
    ).startswith("db-")
    assert {check.name for check in otoscope.doctor("demo:", "sounds:8", {"layers": "logits"})}


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"model": 3},
        "a network is an AudioModel, or a text that names one such as 'demo:' or its folder; got a int",
    ),
    ({"clips": [1, 2]}, "sounds are Clips, or a text that names them such as 'folder:PATH'; got a list"),
    (
        {"recording": "max"},
        "the config of record is a RecordConfig, or a dict of its settings; got str 'max'",
    ),
    ({"describing": {"function": "cosine"}}, "unknown similarity function 'cosine'. Did you mean 'cos"),
    ({"reporting": {"max_mb": 0}}, "max_mb: expected a number above 0, got 0"),
    ({"recording": {"pooling": "men"}}, "unknown pooling 'men'. Did you mean 'mean'"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED, ids=[next(iter(one)) for one, _ in REFUSED])
def test_anything_else_is_refused_before_any_work(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    arguments = {"model": "demo:", "clips": "sounds:8", "out": tmp_path / "out", **given}
    with pytest.raises(InputError) as caught:
        otoscope.dissect(**arguments)
    assert str(caught.value).startswith(said)
    assert not (tmp_path / "out").exists()


def test_what_is_no_run_and_no_network_of_ours(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^a run is its folder or what record returned, got int 3$"):
        otoscope.describe(3)
    with pytest.raises(InputError, match="nowhere is not a run: there is no such folder"):
        otoscope.caption(tmp_path / "nowhere", "sounds:8")
    with pytest.raises(InputError, match=r"^MODEL is a text such as 'demo:' or a folder, got a int$"):
        otoscope.open_model(3)
    with pytest.raises(UnknownNameError, match=r"unknown model scheme 'dmeo'. Did you mean 'demo'"):
        otoscope.record("dmeo:", "sounds:8", tmp_path / "out")
    with pytest.raises(
        InputError, match="the method 'db' takes a DescribeConfig as config, got a RecordConfig"
    ):
        from otoscope.record.config import RecordConfig

        otoscope.describe(make_run(tmp_path), RecordConfig())


def make_run(tmp_path: Path) -> Run:
    return otoscope.record("demo:", "sounds:8", tmp_path / "small", {"layers": "logits"})
