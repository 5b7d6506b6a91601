"""The same sound gives the same file, byte for byte, whenever it is written.

libsndfile puts the time of day into two places: the PEAK chunk of a float WAV, and the random serial number
of an Ogg stream. Here both become constants, so that a run that is repeated or continued ends with the same
bytes.

References: libsndfile's PEAK chunk (version, time stamp, then value and position per channel); RFC 3533, The
Ogg encapsulation format version 0, section 6 (page header and its CRC: polynomial 0x04c11db7, initial value
0).
"""

from __future__ import annotations

import struct

from otoscope.errors import FormatError

SERIAL = 1
_SERIAL_AT, _CRC_AT, _N_SEGMENTS_AT, _HEADER_SIZE = 14, 22, 26, 27


def wav(data: bytes) -> bytes:
    """Return a WAV file with the time stamp of its PEAK chunk, if it has one, set to 0."""
    position = 12  # after "RIFF", size, "WAVE"
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        if name == b"PEAK":
            stamp = position + 12  # after name, size, version
            return data[:stamp] + bytes(4) + data[stamp + 4 :]
        if name == b"data":
            break
        position += 8 + size + size % 2
    return data


def ogg(data: bytes, serial: int = SERIAL) -> bytes:
    """Return an Ogg file with a single stream, with this serial number.

    Raises
    ------
    FormatError
        If the bytes are not a sequence of Ogg pages.
    """
    pages, position = [], 0
    while position < len(data):
        end = _page_end(data, position)
        page = bytearray(data[position:end])
        struct.pack_into("<I", page, _SERIAL_AT, serial)
        struct.pack_into("<I", page, _CRC_AT, 0)
        struct.pack_into("<I", page, _CRC_AT, crc(page))
        pages.append(bytes(page))
        position = end
    return b"".join(pages)


def _page_end(data: bytes, start: int) -> int:
    if data[start : start + 4] != b"OggS" or start + _HEADER_SIZE > len(data):
        raise FormatError(f"no Ogg page at byte {start}")
    n_segments = data[start + _N_SEGMENTS_AT]
    sizes = data[start + _HEADER_SIZE : start + _HEADER_SIZE + n_segments]
    return start + _HEADER_SIZE + n_segments + sum(sizes)


def _crc_of_byte(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF


_CRC_TABLE = tuple(_crc_of_byte(byte) for byte in range(256))


def crc(page: bytes | bytearray) -> int:
    """Return the checksum of an Ogg page whose own checksum field is 0."""
    value = 0
    for byte in page:
        value = ((value << 8) & 0xFFFFFFFF) ^ _CRC_TABLE[(value >> 24) ^ byte]
    return value
