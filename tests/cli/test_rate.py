from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.cli.rate import rate
from tests.report.conftest import SMALL, make_sounds, write_run
from tests.report.test_rate import content


def test_a_page_is_made_rated_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", SMALL[:1], make_sounds(8), failed=())
    rate(str(run), neurons=4, clips=2, json=True)
    made = json.loads(capsys.readouterr().out)
    assert made["n_items"] == 4 and Path(made["path"]).is_file()
    page = content(Path(made["path"]))
    for rater, rating in (("Ada", 4), ("Bo", 3)):
        items = [
            {
                "item": one["item"],
                "text": "a humming sound",
                "ratings": [rating - k for k in range(len(one["options"]))],
            }
            for one in page["items"]
        ]
        answers = {
            "format": "otoscope-ratings",
            "version": 1,
            "page": page["page"],
            "rater": rater,
            "items": items,
        }
        (tmp_path / f"{rater}.json").write_text(json.dumps(answers))
    files = [str(tmp_path / "Ada.json"), str(tmp_path / "Bo.json")]
    rate(str(run), read=files)
    said = capsys.readouterr().out
    assert "by 2 raters" in said and "Krippendorff" in said and "cosine" in said and " to " in said
    rate(str(run), read=files, json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["n_raters"] == 2 and {row["measure"] for row in found["methods"]} == {"rating", "cosine"}
    rate(str(run), neurons=4, clips=2)
    assert "Keep it to yourself" in capsys.readouterr().out
