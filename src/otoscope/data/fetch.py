"""Fetch one file by HTTP so that a cut connection or a killed process costs only what was in flight.

Bytes go to ``FILE.part``; ``FILE.part.json`` beside it holds the URL and the server's validator (ETag or
Last-Modified). A later call asks for the rest by ``Range`` with ``If-Range``, so a file that changed
meanwhile is fetched from its beginning. A connection that breaks is tried again as long as it brings
anything; ``FILE`` itself appears only when it is complete.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoscope.errors import DownloadError, StoreError
from otoscope.progress import track
from otoscope.store import atomic

BLOCK = 2**20
"""Bytes between two steps of the progress display."""

_TIMEOUT_S = 60.0
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"^bytes (?:(\d+)-\d+|\*)/(\d+|\*)$")


class _Cut(Exception):
    """The connection broke; what was received is kept."""


_BROKEN = (_Cut, TimeoutError, ConnectionError, http.client.HTTPException, urllib.error.URLError)


@dataclass(frozen=True)
class _Partial:
    """The unfinished file."""

    path: Path
    url: str

    @property
    def note(self) -> Path:
        """Return the file that says what was begun."""
        return self.path.with_name(self.path.name + ".json")

    def size(self) -> int:
        """Return how many bytes are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def validator(self) -> str:
        """Return the server's name for the content that was begun; empty where unknown."""
        try:
            noted = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ""
        return str(noted.get("validator", "")) if noted.get("url") == self.url else ""

    def restart(self, validator: str) -> None:
        """Forget what is there and note whose content comes now."""
        self.path.unlink(missing_ok=True)
        atomic.write_text(self.note, json.dumps({"url": self.url, "validator": validator}))

    def finish(self, file: Path) -> None:
        """Give the complete file its name."""
        self.path.replace(file)
        self.note.unlink(missing_ok=True)


def fetch(
    url: str, file: Path, *, size_mib: int | None = None, attempts: int = 5, wait_s: float = 1.0
) -> None:
    """Fetch ``url`` into ``file``, continuing what an earlier call began.

    Parameters
    ----------
    url : str
        http or https.
    file : Path
        Where the complete file goes; an existing one is kept and nothing is fetched.
    size_mib : int, optional
        Rough size for the progress display.
    attempts : int
        Tries in a row that bring no byte before giving up.
    wait_s : float
        Wait after the first failed try; doubled after each.

    Raises
    ------
    DownloadError
        If the server refuses, is not reached, or the connection keeps breaking. What was received is kept.
    StoreError
        If the file cannot be written (no space, no permission). What was received is kept.
    """
    if file.exists():
        return
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"expected an http or https address, got {url!r}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {file.parent}: {error.strerror or error}") from error
    partial = _Partial(file.with_name(file.name + ".part"), url)
    blocks = _persistent(partial, attempts, wait_s)
    for _ in track(blocks, size_mib, f"{file.name} (MiB)"):
        pass
    partial.finish(file)


def _persistent(partial: _Partial, attempts: int, wait_s: float) -> Iterator[int]:
    """Yield after every block until the file is complete."""
    failed = 0
    while True:
        before = partial.size()
        try:
            yield from _received(partial)
            return
        except DownloadError:
            raise
        except _BROKEN as error:
            failed = 1 if partial.size() > before else failed + 1
            reason = getattr(error, "reason", None) or error
            if failed >= attempts:
                raise DownloadError(
                    f"{partial.url}: {reason} ({attempts} tries in a row without progress). "
                    f"{partial.size()} bytes are kept in {partial.path}; the same command continues from there."
                ) from error
            time.sleep(wait_s * 2 ** (failed - 1))
        except OSError as error:
            raise StoreError(
                f"cannot write {partial.path}: {error.strerror or error}. What was received is kept."
            ) from error


def _received(partial: _Partial) -> Iterator[int]:
    """Ask once, and yield after every block that came."""
    with _answer(partial) as response:
        total = _begin(partial, response)
        if response.status == 416:
            return
        with partial.path.open("ab") as sink:
            while block := response.read(BLOCK):
                sink.write(block)
                yield len(block)
    if total is not None and partial.size() < total:
        raise _Cut(f"the connection ended after {partial.size()} of {total} bytes")


def _answer(partial: _Partial) -> Any:
    """Return the open response; statuses 200, 206 and 416 come back, others raise."""
    headers = {"User-Agent": "otoscope", "Accept-Encoding": "identity"}
    validator = partial.validator()
    if partial.size() and validator:
        headers |= {"Range": f"bytes={partial.size()}-", "If-Range": validator}
    request = urllib.request.Request(partial.url, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return error
        with error:
            if error.code in _TRY_AGAIN:
                raise _Cut(f"the server answers {error.code} {error.reason}") from error
            raise DownloadError(f"{partial.url}: the server answers {error.code} {error.reason}") from error


def _begin(partial: _Partial, response: Any) -> int | None:
    """Make the unfinished file fit the response, and return the complete size where it is known."""
    match = _RANGE.match(response.headers.get("Content-Range", ""))
    total = int(match[2]) if match and match[2] != "*" else None
    if response.status == 206 and match and match[1] == str(partial.size()):
        return total
    if response.status == 416 and total == partial.size():
        return total
    partial.restart(response.headers.get("ETag") or response.headers.get("Last-Modified") or "")
    if response.status != 200:
        raise _Cut(f"the server answers {response.status} to a request for the rest; starting over")
    length = response.headers.get("Content-Length")
    return int(length) if length else None
