"""A chat-completions server that does what it is told, also wrong."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


def say(text: Any, **more: Any) -> Fault:
    """A well-formed completion."""
    content = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }
    return body(json.dumps(content | more))


def body(text: str | bytes, status: int = 200, **headers: str) -> Fault:
    """Any body with any status."""
    data = text if isinstance(text, bytes) else text.encode()

    def answer(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Fault:
    """An error as OpenAI words it."""
    return body(json.dumps({"error": {"message": message, "code": code}}), status, **headers)


def hang(seconds: float) -> Fault:
    """No answer for so long."""

    def answer(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        time.sleep(seconds)
        say("late")(handler, asked)

    return answer


def drip(seconds: float) -> Fault:
    """A byte every tenth of a second: every read is in time, the whole is not."""

    def answer(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    return answer


def cut(after: int) -> Fault:
    """The connection breaks after so many bytes of a body that was announced longer; 0: before the status line."""

    def answer(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        if after:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b"{" * after)
            handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)

    return answer


class FaultServer:
    """Answers the n-th request by the n-th fault, the last one for ever; or by a function of the request."""

    def __init__(self, *faults: Fault, by: Callable[[dict[str, Any]], Fault] | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.most_at_once = self._at_once = 0
        self._faults, self._by, self._lock = faults, by, threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        asked = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            place = len(self.asked)
            self.asked.append(asked)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            self.times.append(time.monotonic())
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            fault = self._by(asked) if self._by else self._faults[min(place, len(self._faults) - 1)]
            fault(handler, asked)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
        finally:
            with self._lock:
                self._at_once -= 1

    def __enter__(self) -> FaultServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
