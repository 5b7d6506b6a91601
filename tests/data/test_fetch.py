"""Fetching one file: whole, continued, broken, refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from otoscope.data import fetch as module
from otoscope.data.fetch import fetch
from otoscope.errors import DownloadError, StoreError

from .http_server import Site, serving

CONTENT = np.random.default_rng(0).bytes(3_000_000)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site({"/a.bin": CONTENT})) as one:
        yield one


def same(file: Path) -> bool:
    return hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(CONTENT).digest()


def test_whole(site: Site, tmp_path: Path) -> None:
    fetch(f"{site.url}/a.bin", tmp_path / "deep" / "a.bin")
    assert same(tmp_path / "deep" / "a.bin")
    assert [one.name for one in (tmp_path / "deep").iterdir()] == ["a.bin"]
    fetch(f"{site.url}/a.bin", tmp_path / "deep" / "a.bin")
    assert len(site.asked) == 1  # what is there is not fetched again


def test_cut_connections_are_continued(site: Site, tmp_path: Path) -> None:
    site.cut_after = [1_000_000, 500_000, 1]
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin", wait_s=0)
    assert same(tmp_path / "a.bin")
    assert [asked for _, asked in site.asked] == [None, "bytes=1000000-", "bytes=1500000-", "bytes=1500001-"]


def test_a_later_call_continues(site: Site, tmp_path: Path) -> None:
    site.cut_after = [1_234_567]
    with pytest.raises(
        DownloadError, match=r"1234567 bytes are kept in .*a.bin.part; the same command continues"
    ):
        fetch(f"{site.url}/a.bin", tmp_path / "a.bin", attempts=1)
    assert not (tmp_path / "a.bin").exists()
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin")
    assert same(tmp_path / "a.bin") and site.asked[-1] == ("/a.bin", "bytes=1234567-")


def test_everything_came_but_the_end(site: Site, tmp_path: Path) -> None:
    """The process was killed between the last byte and the rename."""
    site.cut_after = [1_000_000]
    with pytest.raises(DownloadError):
        fetch(f"{site.url}/a.bin", tmp_path / "a.bin", attempts=1)
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin")
    assert same(tmp_path / "a.bin") and site.asked[-1][1] == "bytes=3000000-"


def test_too_much_came(site: Site, tmp_path: Path) -> None:
    site.cut_after = [1_000_000]
    with pytest.raises(DownloadError):
        fetch(f"{site.url}/a.bin", tmp_path / "a.bin", attempts=1)
    (tmp_path / "a.bin.part").write_bytes(CONTENT + b"!")
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin", wait_s=0)
    assert same(tmp_path / "a.bin")


def test_a_file_that_changed_meanwhile_starts_over(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = bytes(2_000_000)
    site.cut_after = [1_000_000]
    with pytest.raises(DownloadError):
        fetch(f"{site.url}/a.bin", tmp_path / "a.bin", attempts=1)
    site.files["/a.bin"], site.etag = CONTENT, '"two"'
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin")
    assert same(tmp_path / "a.bin")


@pytest.mark.parametrize(("ranges", "etag"), [(False, '"one"'), (True, "")])
def test_servers_that_cannot_continue_start_over(site: Site, tmp_path: Path, ranges: bool, etag: str) -> None:
    site.ranges, site.etag, site.cut_after = ranges, etag, [1_000_000]
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin", wait_s=0)
    assert same(tmp_path / "a.bin") and len(site.asked) == 2


def test_a_server_that_states_no_length(site: Site, tmp_path: Path) -> None:
    site.length = False
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin")
    assert same(tmp_path / "a.bin")


def test_another_address_does_not_continue_the_file(site: Site, tmp_path: Path) -> None:
    site.files["/b.bin"] = bytes(2_000_000)
    site.cut_after = [1_000_000]
    with pytest.raises(DownloadError):
        fetch(f"{site.url}/b.bin", tmp_path / "a.bin", attempts=1)
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin")
    assert same(tmp_path / "a.bin") and site.asked[-1][1] is None


def test_not_found_is_final(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"/none.zip: the server answers 404 Not Found$"):
        fetch(f"{site.url}/none.zip", tmp_path / "a.bin")
    assert len(site.asked) == 1


def test_busy_is_tried_again(site: Site, tmp_path: Path) -> None:
    site.statuses = [503, 429]
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin", wait_s=0)
    assert same(tmp_path / "a.bin")
    site.statuses = [503] * 9
    with pytest.raises(
        DownloadError, match=r"answers 503 Service Unavailable \(3 tries in a row without progress\)"
    ):
        fetch(f"{site.url}/a.bin", tmp_path / "b.bin", attempts=3, wait_s=0)


def test_waits_grow(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    site.statuses = [503] * 3
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin", wait_s=0.5)
    assert waits == [0.5, 1.0, 2.0]


def test_nobody_answers(tmp_path: Path) -> None:
    with serving(Site()) as gone:
        url = gone.url
    with pytest.raises(DownloadError, match=r"refused.* \(2 tries in a row"):
        fetch(f"{url}/a.bin", tmp_path / "a.bin", attempts=2, wait_s=0)


def test_only_http(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="expected an http or https address, got 'file:"):
        fetch("file:///etc/hostname", tmp_path / "a.bin")


def test_full_disk(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def write(self, block: bytes) -> int:
            raise OSError(28, "No space left on device")

    def opened(self: Path, mode: str = "r", *args: object, **kwargs: object) -> object:
        return Full() if mode == "ab" else real(self, mode, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(
        StoreError, match=r"cannot write .*a.bin.part: No space left on device. What was received"
    ):
        fetch(f"{site.url}/a.bin", tmp_path / "a.bin")


def test_a_folder_that_cannot_be_made(site: Site, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot make the folder .*notes/deep: Not a directory"):
        fetch(f"{site.url}/a.bin", tmp_path / "notes" / "deep" / "a.bin")
    assert not site.asked
