"""``otoscope data get``: from the server to data that open."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from otoscope.data import DATASETS, open_data
from otoscope.data.download import DOWNLOADS, Download, Part, get
from otoscope.errors import DataLayoutError, DownloadError, FormatError, UnknownNameError

from .http_server import Site, serving


def archive(*names: str) -> bytes:
    """Return a zip of FSDD's layout whose sounds are tones."""
    import numpy as np
    import soundfile

    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as opened:
        for index, name in enumerate(names):
            sound = io.BytesIO()
            wave = np.sin(np.arange(800) * 0.1 * (index + 1)).astype(np.float32)
            soundfile.write(sound, wave, 8000, format="WAV")
            opened.writestr(zipfile.ZipInfo(f"fsdd-1.0/recordings/{name}"), sound.getvalue())
    return whole.getvalue()


ARCHIVE = archive("0_theo_0.wav", "0_theo_7.wav", "1_jackson_1.wav")
MD5, SHA256 = hashlib.md5(ARCHIVE).hexdigest(), hashlib.sha256(ARCHIVE).hexdigest()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site({"/fsdd.zip": ARCHIVE, "/notes.csv": b"a,b\n"})) as one:
        yield one


def entry(site: Site, checksum: str = "", file: str = "fsdd.zip") -> Download:
    part = Part(f"{site.url}/{file}", file, checksum, size_mib=1)
    return Download("Spoken digits", "Jackson et al.", "CC BY-SA 4.0", "http://page", (part,), "fsdd")


def test_from_the_server_to_clips(site: Site, tmp_path: Path) -> None:
    got = get("digits", tmp_path, downloads={"digits": entry(site, f"md5:{MD5}")})
    assert got.new and got.checked and got.folder == tmp_path / "digits" and got.licence == "CC BY-SA 4.0"
    assert got.spec == f"fsdd:{tmp_path / 'digits'}" and got.sha256 == {"fsdd.zip": SHA256}
    clips = open_data(got.spec)
    assert len(clips) == 3 and clips.source.read(clips.record(0))[0].shape == (1, 800)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["digits", "digits.download.json"]
    record = json.loads((tmp_path / "digits.download.json").read_text())
    assert record["licence"] == "CC BY-SA 4.0" and record["sha256"] == {"fsdd.zip": SHA256}
    assert record["urls"] == {"fsdd.zip": f"{site.url}/fsdd.zip"} and record["citation"] == "Jackson et al."


def test_a_second_call_fetches_nothing(site: Site, tmp_path: Path) -> None:
    downloads = {"digits": entry(site)}
    first, second = (get("digits", tmp_path, downloads=downloads) for _ in range(2))
    assert not second.new and not second.checked and replace(second, new=True) == first
    assert len(site.asked) == 1


def test_several_files_and_subfolders(site: Site, tmp_path: Path) -> None:
    parts = (
        Part(f"{site.url}/fsdd.zip", "fsdd.zip", into="audio"),
        Part(f"{site.url}/notes.csv", "notes.csv"),
    )
    got = get(
        "d", tmp_path, downloads={"d": replace(entry(site), parts=parts, scheme="")}, keep_archives=True
    )
    assert got.spec == "" and (got.folder / "notes.csv").read_bytes() == b"a,b\n"
    assert (got.folder / "audio" / "fsdd-1.0" / "recordings" / "0_theo_0.wav").is_file()
    assert sorted(one.name for one in (tmp_path / "d.downloading").iterdir()) == ["fsdd.zip", "notes.csv"]


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_a_wrong_checksum(site: Site, tmp_path: Path, kind: str) -> None:
    right = {"md5": MD5, "sha256": SHA256}[kind]
    with pytest.raises(
        DownloadError, match=rf"the {kind} of what came is {right}, its publisher states 0123"
    ):
        get("d", tmp_path, downloads={"d": entry(site, f"{kind}:0123")})
    assert not (tmp_path / "d").exists() and not list(tmp_path.rglob("*.zip"))
    assert get("d", tmp_path, downloads={"d": entry(site, f"{kind}:{right.upper()}")}).new


def test_the_first_download_is_the_reference_where_no_checksum_is_stated(site: Site, tmp_path: Path) -> None:
    downloads = {"d": entry(site)}
    folder = get("d", tmp_path, downloads=downloads).folder
    folder.rename(tmp_path / "moved")
    site.files["/fsdd.zip"] = archive("0_theo_0.wav")
    with pytest.raises(
        DownloadError, match=rf"the first download recorded {SHA256}.* delete .*d.download.json"
    ):
        get("d", tmp_path, downloads=downloads)
    (tmp_path / "d.download.json").unlink()
    assert len(open_data(get("d", tmp_path, downloads=downloads).spec)) == 1


def test_a_cut_download_is_continued_by_the_same_command(site: Site, tmp_path: Path) -> None:
    site.cut_after = [500]
    with pytest.raises(DownloadError, match="500 bytes are kept"):
        get("d", tmp_path, downloads={"d": entry(site)}, attempts=1)
    assert get("d", tmp_path, downloads={"d": entry(site, f"md5:{MD5}")}).checked
    assert site.asked[-1] == ("/fsdd.zip", "bytes=500-")


def test_not_found(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="404 Not Found"):
        get("d", tmp_path, downloads={"d": entry(site, file="gone.zip")})
    assert not (tmp_path / "d").exists()


def test_an_unsafe_archive_leaves_nothing(site: Site, tmp_path: Path) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as opened:
        opened.writestr("fine.txt", "x")
        opened.writestr("../evil.txt", "x")
    site.files["/fsdd.zip"] = whole.getvalue()
    with pytest.raises(FormatError, match="not safe to unpack"):
        get("d", tmp_path / "home", downloads={"d": entry(site)})
    assert not (tmp_path / "home" / "d").exists() and not list(tmp_path.rglob("*.txt"))


def test_what_a_killed_unpacking_left_is_replaced(site: Site, tmp_path: Path) -> None:
    (tmp_path / "d.unpacking").mkdir()
    (tmp_path / "d.unpacking" / "half.wav").write_bytes(b"half")
    folder = get("d", tmp_path, downloads={"d": entry(site)}).folder
    assert not list(folder.rglob("half.wav"))


def test_something_else_is_in_the_way(site: Site, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(DataLayoutError, match="exists but no download made it"):
        get("d", tmp_path, downloads={"d": entry(site)})
    assert not site.asked


def test_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown dataset to download 'esc-50'. Did you mean 'esc50'"):
        get("esc-50", tmp_path)


def test_the_table_is_sound() -> None:
    for name, one in DOWNLOADS.items():
        assert one.licence and one.citation and one.title and one.page.startswith("https://"), name
        assert one.scheme == "" or one.scheme in DATASETS
        assert len({part.file for part in one.parts}) == len(one.parts)
        for part in one.parts:
            kind, _, value = part.checksum.partition(":")
            assert len(value) == {"": 0, "md5": 32, "sha256": 64}[kind], part.file
            assert part.url.startswith(("https://", "http://download.magenta.tensorflow.org/"))
            assert "/" not in part.file
