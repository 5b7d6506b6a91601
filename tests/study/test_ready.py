"""What a dissection cannot end with is refused before it begins: no run folder is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.data import open_data
from otoscope.describe.config import DescribeConfig
from otoscope.errors import InputError, OtoscopeError
from otoscope.models import open_model
from otoscope.study.dissect import dissect

CAPTIONERS = {
    "foo": "unknown captioner 'foo'",
    "titles": "unknown column 'title'",
    "metadata:foo": "unknown column 'foo'",
    "labels:foo": "unknown label set 'foo'",
    "file:nope.csv": "cannot read the captions nope.csv",
}
SETTINGS = {
    ("concepts", "foo"): "unknown concept set 'foo'",
    ("concepts", "file:nope"): "cannot read the concept file nope",
    ("encoder", "foo"): "unknown text encoder 'foo'",
    ("score_encoder", "foo:x"): "unknown encoder of texts and sounds 'foo'",
    ("score_captions", "titles"): "score_captions names 'titles', but there will be the captions acoustic-",
    ("strata", "foo"): "unknown column of the clips 'foo'",
}


@pytest.mark.parametrize("captioner", CAPTIONERS)
def test_a_captioner_that_cannot_caption(captioner: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=CAPTIONERS[captioner]):
        dissect(open_model("demo:"), open_data("sounds:3"), tmp_path / "run", captioner=captioner)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("setting", SETTINGS, ids="=".join)
def test_settings_of_describing(setting: tuple[str, str], tmp_path: Path) -> None:
    config = DescribeConfig(**{setting[0]: setting[1]})  # type: ignore[arg-type]
    with pytest.raises(OtoscopeError, match=SETTINGS[setting]):
        dissect(open_model("demo:"), open_data("sounds:3"), tmp_path / "run", describing=config)
    assert list(tmp_path.iterdir()) == []


def test_what_a_file_of_captions_misses_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("id,text\nnobody.wav,a sound\n")
    with pytest.raises(InputError, match=r"has 1 caption, none for a clip of sounds:3"):
        dissect(
            open_model("demo:"),
            open_data("sounds:3"),
            tmp_path / "run",
            captioner=f"file:{tmp_path / 'mine.csv'}",
        )
    assert not (tmp_path / "run").exists()
