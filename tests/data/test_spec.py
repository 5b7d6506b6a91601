"""DATA arguments: scheme:rest?option=value."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.data import DATASETS, open_data
from otoscope.data.spec import DataSpec, parse, typed_options, written
from otoscope.errors import InputError, UnknownNameError
from otoscope.registry import load


def loader(
    rest: str, *, n: int = 3, level: float = 0.5, deep: bool = False, sep: str = "", other: object = None
) -> None:
    """Stand for a loader."""


def test_options_are_taken_apart_and_decoded() -> None:
    assert parse("csv:a/b.csv?multi=%3B&labels=x,y", DATASETS) == DataSpec(
        "csv", "a/b.csv", {"multi": ";", "labels": "x,y"}
    )
    assert parse("csv:a.csv?labels=", DATASETS).options == {"labels": ""}
    assert parse("sounds:", DATASETS) == DataSpec("sounds", "", {})


def test_a_question_mark_in_an_existing_path_is_no_option(tmp_path: Path) -> None:
    odd = tmp_path / "what?x=1"
    odd.mkdir()
    assert parse(f"folder:{odd}", DATASETS) == DataSpec("folder", str(odd), {})
    assert parse(f"folder:{odd}?levels=-", DATASETS) == DataSpec("folder", str(odd), {"levels": "-"})


def test_values_take_the_type_of_the_default() -> None:
    spec = parse("xy:?n=7&level=1e-3&deep=yes&sep=;&other=z", {})
    assert typed_options(spec, loader, {}) == {"n": 7, "level": 1e-3, "deep": True, "sep": ";", "other": "z"}


def test_keywords_win() -> None:
    assert typed_options(parse("xy:?n=7", {}), loader, {"n": 9}) == {"n": 9}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n=many", "option n takes int, got 'many'"),
        ("deep=perhaps", "option deep takes yes or no, got 'perhaps'"),
    ],
)
def test_values_that_cannot_be_converted(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        typed_options(parse(f"xy:?{text}", {}), loader, {})


def test_unknown_option_names_the_known() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown option of xy: 'levle'. Did you mean 'level'"):
        typed_options(parse("xy:?levle=1", {}), loader, {})


def test_option_without_a_value() -> None:
    with pytest.raises(InputError, match=r"expected option=value after '\?', got 'multi'"):
        parse("csv:a.csv?multi", DATASETS)


def test_unknown_scheme_names_the_known() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown dataset 'esc5'. Did you mean 'esc50'"):
        open_data("esc5:x")


def test_a_path_without_scheme_gets_the_scheme_it_looks_like(esc_root: Path, labelled_folder: Path) -> None:
    for path, guess in ((esc_root, "esc50"), (labelled_folder, "folder"), (Path("my.tsv"), "csv")):
        with pytest.raises(InputError, match=f"Did you mean {guess}:"):
            open_data(str(path))
    with pytest.raises(
        InputError, match=r"DATA is scheme:rest with scheme one of esc50, .*; got 'nowhere'\.$"
    ):
        open_data("nowhere")


def test_what_was_written_opens_the_same(labelled_folder: Path) -> None:
    clips = open_data(f"folder:{labelled_folder}", levels="label")
    assert clips.spec == f"folder:{labelled_folder}?levels=label"
    assert open_data(clips.spec).content_hash() == clips.content_hash()
    assert parse(written(DataSpec("csv", "t.csv", {}), {"multi": "&"}), DATASETS).options == {"multi": "&"}


def test_every_scheme_has_a_loader_with_a_line_for_the_help() -> None:
    for scheme, target in DATASETS.items():
        found = load(target)
        assert found.__doc__.splitlines()[0].endswith("."), scheme


@pytest.mark.parametrize("spec", [Path("sounds"), 3, None])
def test_a_spec_is_a_text(spec: object) -> None:
    with pytest.raises(InputError, match=r"DATA is a text such as 'folder:PATH', got \w+ "):
        open_data(spec)  # type: ignore[arg-type]


def test_a_path_without_a_scheme_is_guessed(tmp_path: Path) -> None:
    for scheme, inside in (
        ("esc50", "a/meta/esc50.csv"),
        ("urbansound8k", "b/metadata/UrbanSound8K.csv"),
        ("gtzan", "c/genres/blues/x"),
        ("hub", "d/dataset_dict.json"),
        ("fsdd", "e/recordings/x"),
        ("folder", "f/x"),
    ):
        file = tmp_path / inside
        file.parent.mkdir(parents=True)
        file.touch()
        root = tmp_path / inside[0]
        with pytest.raises(InputError, match=rf"Did you mean {scheme}:{root}\?"):
            open_data(str(root))
