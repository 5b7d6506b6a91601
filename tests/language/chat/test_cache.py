"""The answer cache: durable, shared, private, and never guessed at."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from otoscope.errors import FormatError, StoreError
from otoscope.language.chat import AnswerCache, Reply
from otoscope.language.chat.cache import FILE, VERSION, cache_folder


def test_what_is_put_is_found(cache):
    reply = Reply("a\x00b 雨 🙂", 3, None, "stop")
    assert cache.find("k") is None
    cache.put("k", "m", reply)
    assert cache.find("k").reply == reply and cache.find("k").rejected is None
    cache.reject(["k", "unknown"], "no good")
    assert cache.find("k").rejected == "no good" and cache.find("k").reply == reply
    cache.put("k", "m", Reply("better"))
    assert cache.find("k").reply.text == "better" and cache.find("k").rejected is None
    cache.close()
    assert cache.find("k").reply.text == "better" and len(cache) == 1


def test_half_characters_are_stored_as_replacement(cache):
    cache.put("k", "m", Reply("a\ud800b"))
    assert cache.find("k").reply.text == "a\ufffdb"


def test_the_folder_is_the_environments(monkeypatch, tmp_path):
    monkeypatch.setenv("OTOSCOPE_CACHE", str(tmp_path / "mine"))
    with AnswerCache() as cache:
        assert cache.path == tmp_path / "mine" / FILE and cache.path.is_file()
    monkeypatch.delenv("OTOSCOPE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == tmp_path / "xdg" / "otoscope"


@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
def test_only_the_owner_reads_it(cache):
    cache.put("k", "m", Reply("private"))
    for path in cache.path.parent.glob("answers.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_many_threads(cache):
    def work(one: int) -> str:
        cache.put(str(one), "m", Reply(f"reply {one}"))
        return cache.find(str(one)).reply.text

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(200))) == [f"reply {one}" for one in range(200)]
    assert len(cache) == 200


def test_many_processes(tmp_path):
    code = (
        "import sys\n"
        "from otoscope.language.chat import AnswerCache, Reply\n"
        "with AnswerCache(sys.argv[1]) as cache:\n"
        "    for one in range(100):\n"
        "        cache.put(f'{sys.argv[2]}-{one}', 'm', Reply(sys.argv[2]))\n"
    )
    path = tmp_path / "answers.sqlite"
    running = [subprocess.Popen([sys.executable, "-c", code, str(path), str(one)]) for one in range(3)]
    assert [one.wait(timeout=60) for one in running] == [0, 0, 0]
    with AnswerCache(path) as cache:
        assert len(cache) == 300 and cache.find("2-99").reply.text == "2"


def test_claims(cache):
    assert cache.claim("k", "one", 60) and cache.claim("k", "one", 60)
    assert not cache.claim("k", "two", 60)
    cache.release("k", "two")
    assert not cache.claim("k", "two", 60)
    cache.release("k", "one")
    assert cache.claim("k", "two", -1) and cache.claim("k", "three", 60)  # the second one's lease is over


def test_the_claim_of_a_process_that_is_gone(cache):
    code = (
        "import sys\n"
        "from otoscope.language.chat import AnswerCache\n"
        "assert AnswerCache(sys.argv[1]).claim('k', 'gone', 3600)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(cache.path)], check=True)
    assert cache.claim("k", "here", 60)


def test_something_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "answers.sqlite"
    path.write_bytes(b"these are my notes, not a database" * 100)
    before = path.read_bytes()
    with pytest.raises(FormatError, match=r"is no answer cache .* move it away"):
        AnswerCache(path)
    assert path.read_bytes() == before


def test_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "answers.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.commit()
    connection.close()
    with pytest.raises(FormatError, match=f"has version {VERSION + 1}, this Otoscope reads up to {VERSION}"):
        AnswerCache(path)


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot open the answer cache"):
        AnswerCache(tmp_path / "file" / "answers.sqlite")
    with pytest.raises(StoreError, match="cannot open the answer cache"):
        AnswerCache(tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_opens_its_own(tmp_path):
    code = (
        "import os, sys\n"
        "from otoscope.language.chat import AnswerCache, Reply\n"
        "cache = AnswerCache(sys.argv[1])\n"
        "cache.put('parent', 'm', Reply('a'))\n"
        "child = os.fork()\n"
        "cache.put(f'put by {0 if child else 1}', 'm', Reply('b'))\n"
        "if child:\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "    assert len(cache) == 3\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "answers.sqlite")], check=True)
