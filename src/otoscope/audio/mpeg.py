"""Does an MP3 file say how long it is?

An MP3 is a row of frames, each with its own bit rate. Encoders put a first frame with the length (``Xing``,
``Info`` or ``VBRI``). Where it is missing, libsndfile takes the first frame's bit rate for all, which is
right for a constant rate, and wrong by any factor for a variable one: the end of the sound would be missing
without a word.

Reference: ISO/IEC 11172-3 and 13818-3, layer III (header: 11 bits sync, 2 version, 2 layer, 1 protection, 4
bit rate, 2 sample rate, 1 padding).
"""

from __future__ import annotations

import io
from pathlib import Path

_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version bits
_LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")
FRAME_SAMPLES_MAX = 1152
_READ_BYTES = 1 << 18  # hundreds of frames: a variable rate has varied by then


def length_is_a_guess(sound: Path | bytes) -> bool:
    """Return whether an MP3 file (or its content) varies its bit rate and does not say how long it is."""
    with io.BytesIO(sound) if isinstance(sound, bytes) else sound.open("rb") as file:
        file.seek(_tag_size(file.read(10)))
        data = file.read(_READ_BYTES)
    first = data.find(b"\xff")
    while first >= 0 and not _frame(data, first):
        first = data.find(b"\xff", first + 1)
    if first < 0 or any(tag in data[first : first + 200] for tag in _LENGTH_TAGS):
        return False
    rates, position = set(), first
    while frame := _frame(data, position):
        rates.add(frame[1])
        position += frame[0]
    return len(rates) > 1


def _tag_size(head: bytes) -> int:
    """Return the size of the ID3v2 tag before the sound: 28 bits in four bytes."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0)))


def _frame(data: bytes, at: int) -> tuple[int, int] | None:
    """Return (size in bytes, kbit/s) of the layer III frame that begins here, None if none does."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version, padding = head[1] >> 3 & 3, head[2] >> 1 & 1
    kbps = (_KBPS_1 if version == 3 else _KBPS_2)[head[2] >> 4]
    if version == 1 or kbps == 0 or head[2] >> 2 & 3 == 3:
        return None
    rate = _RATES[version][head[2] >> 2 & 3]
    return (144 if version == 3 else 72) * kbps * 1000 // rate + padding, kbps
