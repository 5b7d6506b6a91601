from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.errors import FormatError, InputError, StageError, StoreError, UnknownNameError
from otoscope.store import arrays, atomic, hashing, manifest, run, tables, tensors

IDENTITY = {
    "model": {"spec": "demo:"},
    "layers": [
        {"name": "blocks.0", "n_neurons": 3, "pooling": "mean", "geometry": None},
        {"name": "logits", "n_neurons": 2, "pooling": "mean", "geometry": None},
    ],
}


def test_hash_is_of_content_not_of_order() -> None:
    assert hashing.sha256_json({"a": [1, 2.5], "b": "é"}) == hashing.sha256_json({"b": "é", "a": [1, 2.5]})
    assert hashing.sha256_json({"a": 1}) != hashing.sha256_json({"a": 2})
    assert hashing.canonical_json({"b": 1, "a": "x"}) == '{"a":"x","b":1}'
    with pytest.raises(ValueError, match="JSON compliant"):
        hashing.hash8({"a": float("nan")})


def test_hash_of_a_known_text() -> None:
    # sha256 of the two bytes {} as published for the empty JSON object
    assert hashing.sha256_json({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")
    with pytest.raises(RuntimeError, match="power"), atomic.replacing(path) as part:
        part.write_text("new, half")
        raise RuntimeError("power cut")
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_full_disk_is_a_store_error_that_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")
    with (
        pytest.raises(StoreError, match=r"No space left on device.*Nothing was replaced"),
        atomic.replacing(path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old"


def test_create_then_open_gives_layers_with_global_numbers(tmp_path: Path) -> None:
    made = run.create(tmp_path / "r", IDENTITY)
    opened = run.open_run(tmp_path / "r")
    assert opened.manifest["format_version"] == run.FORMAT_VERSION
    assert [(one.name, one.first_neuron) for one in opened.layers] == [("blocks.0", 0), ("logits", 3)]
    assert made.layer("logits").n_neurons == 2
    with pytest.raises(UnknownNameError, match="Did you mean 'logits'"):
        opened.layer("logit")


def test_same_identity_continues_another_is_refused(tmp_path: Path) -> None:
    run.create(tmp_path / "r", IDENTITY)
    before = (tmp_path / "r" / "run.json").read_bytes()
    run.create(tmp_path / "r", IDENTITY)
    assert (tmp_path / "r" / "run.json").read_bytes() == before
    with pytest.raises(StageError, match=r"differs in model\b"):
        run.create(tmp_path / "r", {**IDENTITY, "model": {"spec": "hf:x"}})


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and is not a run: choose another folder"):
        run.create(tmp_path, IDENTITY)
    with pytest.raises(InputError, match=r"is not a run: there is no run\.json in it"):
        run.open_run(tmp_path)
    with pytest.raises(InputError, match="is not a run: there is no such folder"):
        run.open_run(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"notes\.txt is a file: choose another folder"):
        run.create(tmp_path / "notes.txt", IDENTITY)


def test_a_file_in_the_place_of_a_folder_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(StoreError, match=r"cannot write .*out/run\.json: .*Nothing was replaced"):
        atomic.write_text(tmp_path / "out" / "run.json", "{}")
    assert (tmp_path / "out").read_text() == "mine"


MOVABLE = {
    **IDENTITY,
    "model": {"spec": "old/model", "path": "../model", "weights_hash": "aa", "sample_rate": 8000},
    "data": {
        "spec": "folder:old?levels=label",
        "hash": "bb",
        "source": {"kind": "files", "root": {"path": "x"}},
    },
}


def test_where_the_network_and_the_sounds_lie_is_no_part_of_what_a_run_is(tmp_path: Path) -> None:
    run.create(tmp_path / "r", MOVABLE)
    before = (tmp_path / "r" / "run.json").read_bytes()
    model = {"spec": "new/model", "path": "../new", "weights_hash": "aa", "sample_rate": 8000}
    data = {"spec": "folder:new?levels=label", "hash": "bb", "source": None}
    in_memory = {**model, "spec": ""}
    run.create(tmp_path / "r", {**MOVABLE, "model": in_memory, "data": data})
    assert (tmp_path / "r" / "run.json").read_bytes() == before
    again = run.create(tmp_path / "r", {**MOVABLE, "model": model, "data": {**data, "source": {"kind": "x"}}})
    assert again.manifest["model"] == model and again.manifest["data"]["source"] == {"kind": "x"}
    assert again.manifest["data"]["spec"] == "folder:new?levels=label"
    assert again.manifest == run.open_run(tmp_path / "r").manifest
    for part, other in (
        ("model", {**model, "weights_hash": "ab"}),
        ("model", {**model, "sample_rate": 16000}),
        ("data", {**data, "hash": "bc"}),
        ("data", {**data, "spec": "folder:new?levels=group,label"}),
    ):
        with pytest.raises(StageError, match=rf"it differs in {part}\. Give another --out"):
            run.create(tmp_path / "r", {**MOVABLE, part: other})


def test_what_is_missing_names_the_command_that_makes_it(tmp_path: Path) -> None:
    made = run.create(tmp_path / "r", IDENTITY)
    for read in (made.clips, made.neurons, lambda: made.table("captions")):
        with pytest.raises(
            StageError, match=r"is not recorded to its end.*otoscope record or dissect.*continues"
        ):
            read()
    tables.write(tmp_path / "r" / "clips.parquet", pl.DataFrame({"row": [0]}))
    with pytest.raises(StageError, match=r"no captions yet: otoscope caption .*r writes them"):
        made.table("captions")
    with pytest.raises(StageError, match=r"no descriptions yet: otoscope describe .*r writes them"):
        made.table("descriptions")


def test_newer_format_is_refused_older_is_read(tmp_path: Path) -> None:
    run.create(tmp_path / "r", IDENTITY)
    content = json.loads((tmp_path / "r" / "run.json").read_text())
    manifest.write(tmp_path / "r" / "run.json", {**content, "format_version": 99})
    with pytest.raises(FormatError, match=r"format 99; this Otoscope reads up to 1.*update Otoscope"):
        run.open_run(tmp_path / "r")
    manifest.write(tmp_path / "r" / "run.json", {**content, "format_version": 1})
    assert run.open_run(tmp_path / "r").layers


@pytest.mark.parametrize("broken", ["", "{", "[1]", "nonsense"])
def test_broken_manifest_is_named(tmp_path: Path, broken: str) -> None:
    (tmp_path / "run.json").write_text(broken)
    with pytest.raises(FormatError, match=r"run\.json"):
        _ = run.open_run(tmp_path).layers


def test_layer_names_become_safe_file_names() -> None:
    names = ["a/b", "a%2Fb", "../up", "x[0]", "x.0", "ü", "CON:1"]
    files = [run.file_name(name) for name in names]
    assert len(set(files)) == len(names)
    assert all("/" not in name for name in files)


def test_stage_is_done_only_with_equal_config_inputs_and_outputs(tmp_path: Path) -> None:
    made = run.create(tmp_path / "r", IDENTITY)
    (made.root / "out.txt").write_text("x")
    run.commit_stage(made, "s", 1, {"k": 1}, {"in": "a"}, ["out.txt"])
    assert run.is_done(made, "s", 1, {"k": 1}, {"in": "a"})
    assert not run.is_done(made, "s", 1, {"k": 2}, {"in": "a"})
    assert not run.is_done(made, "s", 2, {"k": 1}, {"in": "a"})
    assert not run.is_done(made, "s", 1, {"k": 1}, {"in": "b"})
    (made.root / "out.txt").unlink()
    assert not run.is_done(made, "s", 1, {"k": 1}, {"in": "a"})


def test_tables_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": [1, 2], "b": [["x"], []], "c": [1.5, None]})
    tables.write(tmp_path / "1.parquet", table)
    tables.write(tmp_path / "2.parquet", table)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()
    assert tables.read(tmp_path / "1.parquet").equals(table)
    (tmp_path / "3.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(FormatError, match=r"3\.parquet"):
        tables.read(tmp_path / "3.parquet")
    with pytest.raises(StageError, match="has not run"):
        tables.read(tmp_path / "4.parquet")


def test_tensors_keep_values_and_note(tmp_path: Path) -> None:
    content = {"a": np.arange(6, dtype=np.int64).reshape(2, 3).T, "b": np.array([np.nan, 1], np.float32)}
    tensors.write(tmp_path / "t.safetensors", content, {"k": [1, None]})
    back, note = tensors.read_with_note(tmp_path / "t.safetensors")
    np.testing.assert_array_equal(back["a"], content["a"])
    np.testing.assert_array_equal(back["b"], content["b"])
    assert note == {"k": [1, None]}
    (tmp_path / "bad.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(FormatError, match=r"bad\.safetensors"):
        tensors.read(tmp_path / "bad.safetensors")


def test_arrays_fill_by_rows_and_read_by_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    arrays.create_array(path, (5, 3), "float32", 2)
    arrays.write_rows(path, 2, np.ones((2, 3), np.float32))
    stored = np.asarray(arrays.open_array(path)[:, 1])
    np.testing.assert_array_equal(stored, [np.nan, np.nan, 1, 1, np.nan])
    arrays.create_array(path, (5, 3), "float32", 2)
    with pytest.raises(StoreError, match="expected"):
        arrays.create_array(path, (6, 3), "float32", 2)
    with pytest.raises(StageError, match="was not recorded"):
        arrays.open_array(tmp_path / "none.zarr")


def test_table_by_beginning_of_its_name(tmp_path: Path) -> None:
    made = run.create(tmp_path / "r", IDENTITY)
    tables.write(made.root / "captions" / "acoustic-12345678.parquet", pl.DataFrame({"row": [0]}))
    tables.write(made.root / "captions" / "titles-12345678.parquet", pl.DataFrame({"row": [1]}))
    assert made.table("captions", "acoustic")[0] == "acoustic-12345678"
    with pytest.raises(UnknownNameError, match="none named"):
        made.table("captions")
