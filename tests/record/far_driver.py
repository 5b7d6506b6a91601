"""A recording in a process of its own: ``python far_driver.py FOLDER MODE``; MODE is ``local`` or names what is far.

``ray``: two workers, which are killed at random points; ``s3``: the run lies behind a server that fails and dawdles;
``ray-s3``: both. What was recorded into an object store is fetched into FOLDER, so that folders can be compared.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONFIG = {"block": 4, "batch_size": 4, "workers": 0, "evidence_clips": 6}
CLIPS, BUCKET = "sounds:24", "bucket"


@contextmanager
def object_store() -> Iterator[None]:
    """Serve S3 on this machine; every 29th request fails, every 13th takes its time."""
    import boto3
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    real, count, lock = DomainDispatcherApplication(create_backend_app), [0], threading.Lock()

    def faulty(environ: dict[str, Any], start_response: Any) -> Any:
        with lock:
            count[0] += 1
            n = count[0]
        if n % 29 == 28:
            start_response(
                "503 Slow Down" if n % 2 else "500 Internal Server Error", [("Content-Length", "0")]
            )
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return [b""]
        if n % 13 == 0:
            time.sleep(0.2)
        return real(environ, start_response)

    server = make_server("127.0.0.1", 0, faulty, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    yield
    server.shutdown()
    if count[0] < 100:
        raise SystemExit(f"only {count[0]} requests were made")


def own_workers() -> list[int]:
    """Return the Ray workers of this process that compute; other processes' on this machine are not touched."""
    parents, computing = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"ray::_Worker.compute" in (folder / "cmdline").read_bytes():
                computing.append(int(folder.name))
        except OSError:  # it has ended
            continue

    def ours(process: int) -> bool:
        while process not in (0, os.getpid()):
            process = parents.get(process, 0)
        return process != 0

    return [one for one in computing if ours(one)]


def kill_workers(
    seed: int, stop: threading.Event, times: int = 3, wait_s: tuple[float, float] = (0.3, 1.5)
) -> None:
    """Kill one of the Ray workers that compute, so many times, whenever chance says."""
    chance, killed = random.Random(seed), 0
    while killed < times and not stop.wait(chance.uniform(*wait_s)):
        if workers := own_workers():
            os.kill(chance.choice(workers), signal.SIGKILL)
            killed += 1
    print(killed, "killed", file=sys.stderr)


def main(folder: Path, mode: str) -> None:
    """Record, and bring what was recorded to ``folder``."""
    import torch

    torch.set_num_threads(1)
    import otoscope
    from otoscope.work.engine import Engine

    engine = Engine(name="ray", workers=2, kills=5) if "ray" in mode else None
    stop = threading.Event()
    if mode == "ray":
        threading.Thread(target=kill_workers, args=(0, stop), daemon=True).start()
    if "s3" not in mode:
        otoscope.record("demo:", CLIPS, folder, CONFIG, engine=engine)
        stop.set()
        return
    with object_store():
        place = f"s3://{BUCKET}/runs/one"
        otoscope.record("demo:", CLIPS, place, CONFIG, engine=engine)
        if mode == "s3":
            otoscope.caption(place)
            otoscope.describe(place)
        fetch(place, folder)


def fetch(place: str, folder: Path) -> None:
    """Copy a run from the object store."""
    import s3fs

    s3fs.S3FileSystem(use_listings_cache=False).get(place.removeprefix("s3://"), str(folder), recursive=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
