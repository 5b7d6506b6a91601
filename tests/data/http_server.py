"""A local HTTP server that can do what real ones do: ranges, validators, cut connections, refusals."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server gives, and what it was asked.

    Attributes
    ----------
    files : dict
        Path -> content.
    ranges : bool
        Whether ``Range`` is understood.
    etag : str
        The validator; empty means none.
    length : bool
        Whether ``Content-Length`` is stated; otherwise the end of the connection is the end.
    cut_after : list of int
        For each of the first requests: bytes after which the connection breaks.
    statuses : list of int
        For each of the first requests: a status to answer instead (0 is a proper answer).
    asked : list
        (path, Range header) of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    etag: str = '"one"'
    length: bool = True
    cut_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve ``site`` on a free port of this machine while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stay silent."""

        def do_GET(self) -> None:
            site.asked.append((self.path, self.headers.get("Range")))
            status = site.statuses.pop(0) if site.statuses else 0
            content = site.files.get(self.path)
            if status or content is None:
                self.send_error(status or 404)
                return
            self._give(content, self.headers.get("Range"), self.headers.get("If-Range"))

        def _give(self, content: bytes, asked: str | None, only_if: str | None) -> None:
            start = 0
            if asked and site.ranges and only_if in (None, site.etag):
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            if site.length:
                self.send_header("Content-Length", str(len(content) - start))
            if site.etag:
                self.send_header("ETag", site.etag)
            self.end_headers()
            cut = site.cut_after.pop(0) if site.cut_after else None
            self.wfile.write(content[start:][:cut])
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
