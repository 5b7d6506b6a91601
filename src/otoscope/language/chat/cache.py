"""Replies that were paid for, kept in one SQLite file per user.

``answers.sqlite`` lies in the folder that the environment names in ``OTOSCOPE_CACHE``, else in ``otoscope`` under the
platform's folder for caches. Any number of threads and processes may use it at once (write-ahead log); each reply is
committed, through to the disk, as it arrives.

========== ===========================================================================
key        sha256 of model id, messages and sampling (``answer_key``), primary key
model      id of the model
text       the reply
prompt_tokens, completion_tokens, finish_reason   as the reply says
rejected   why the job that bought it could not use it; null where it could
========== ===========================================================================

A rejected reply is kept, and serves a question whose parser can use it; any other question buys anew. Failures
(no reply) are never stored. The table ``claims`` says which key which process is buying right now, so that two
processes do not buy one answer twice; a claim ends with its process or after its lease.

The prompts are not stored, only their hash; the file is readable by its owner alone.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from otoscope.errors import FormatError, StoreError
from otoscope.language.chat.model import Reply

VERSION = 1
"""Of the file's layout (``PRAGMA user_version``)."""

FILE = "answers.sqlite"

_WAIT_S = 60.0
_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, text TEXT NOT NULL, prompt_tokens INTEGER,
    completion_tokens INTEGER, finish_reason TEXT, rejected TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (
    key TEXT PRIMARY KEY, owner TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Stored:
    """A reply in the cache.

    Attributes
    ----------
    reply : Reply
        The reply.
    rejected : str or None
        Why the job that bought it could not use it.
    """

    reply: Reply
    rejected: str | None


class AnswerCache:
    """The replies of all jobs of a user.

    Parameters
    ----------
    path : Path or str, optional
        The SQLite file; by default ``answers.sqlite`` in :func:`cache_folder`. Its folder is made.

    Raises
    ------
    StoreError
        If it cannot be opened or made.
    FormatError
        If it is something else, or of a newer version of Otoscope.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = Path(path).expanduser() if path is not None else cache_folder() / FILE
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        with self._using():
            pass

    def find(self, key: str) -> Stored | None:
        """Return the reply named ``key``, None where there is none."""
        with self._using() as connection:
            row = connection.execute(
                "SELECT text, prompt_tokens, completion_tokens, finish_reason, rejected FROM answers WHERE key = ?",
                (key,),
            ).fetchone()
        return None if row is None else Stored(Reply(*row[:4]), row[4])

    def put(self, key: str, model: str, reply: Reply) -> None:
        """Store a reply, durable when this returns; it replaces one of the same key, and ends the claim on it."""
        row = (key, model, reply.text, reply.prompt_tokens, reply.completion_tokens, reply.finish_reason)
        with self._using(durable=True) as connection:
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, NULL)", row)
            connection.execute("DELETE FROM claims WHERE key = ?", (key,))

    def reject(self, keys: Sequence[str], reason: str) -> None:
        """Mark replies as unusable for the job that bought them."""
        with self._using() as connection:
            connection.executemany(
                "UPDATE answers SET rejected = ? WHERE key = ?", [(reason, one) for one in keys]
            )

    def claim(self, key: str, owner: str, lease_s: float) -> bool:
        """Return whether ``owner`` may buy ``key`` now: nobody else has claimed it, or whoever did is gone."""
        host, pid, until = socket.gethostname(), os.getpid(), time.time() + lease_s
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute(
                "SELECT owner, host, pid, until FROM claims WHERE key = ?", (key,)
            ).fetchone()
            if row is not None and row[0] != owner and row[3] > time.time() and _may_live(row[1], row[2]):
                return False
            connection.execute(
                "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?)", (key, owner, host, pid, until)
            )
            return True

    def release(self, key: str, owner: str) -> None:
        """Give a claim back."""
        with self._using() as connection:
            connection.execute("DELETE FROM claims WHERE key = ? AND owner = ?", (key, owner))

    def __len__(self) -> int:
        with self._using() as connection:
            return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _using(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Give the connection to one thread at a time, in one transaction; a forked process opens its own.

        Only what was paid for is worth waiting for the disk: claims that a power cut takes away cost nothing.
        """
        with self._lock:
            try:
                if self._connection is None or self._pid != os.getpid():
                    self._connection, self._pid = _opened(self.path), os.getpid()
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                with self._connection:
                    yield self._connection
            except sqlite3.OperationalError as error:
                raise StoreError(
                    f"the answer cache {self.path} cannot be used: {error}. Free the disk or name another folder "
                    "in OTOSCOPE_CACHE."
                ) from error
            except sqlite3.DatabaseError as error:
                raise FormatError(
                    f"{self.path} is no answer cache ({error}): move it away, or name another folder in "
                    "OTOSCOPE_CACHE"
                ) from error


def cache_folder() -> Path:
    """Return the folder of the answer cache: ``OTOSCOPE_CACHE``, else the platform's."""
    named = os.environ.get("OTOSCOPE_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "otoscope"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "otoscope"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otoscope"


def _opened(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"cannot open the answer cache {path}: {error.strerror or error}") from error
    connection = sqlite3.connect(path, timeout=_WAIT_S, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        connection.close()
        raise FormatError(
            f"the answer cache {path} has version {version}, this Otoscope reads up to {VERSION}: update Otoscope, "
            "or name another folder in OTOSCOPE_CACHE"
        )
    connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    return connection


def _may_live(host: str, pid: int) -> bool:
    """Return False only where the process is surely gone: on this host, where that can be asked without harm."""
    if host != socket.gethostname() or os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
