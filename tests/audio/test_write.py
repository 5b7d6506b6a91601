"""Writing: what is read back has the length, the level and the spectrum of what was written."""

from __future__ import annotations

import io
import time
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from scipy.signal import welch

from otoscope.audio import codecs, level, read, stable, write
from otoscope.audio.resample import resample
from otoscope.errors import FormatError, InputError, StoreError, UnknownNameError

RNG = np.random.default_rng(17)
TIMES = {
    "mp3": (8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000),
    "opus": (8000, 11025, 16000, 44100, 192000),
}


def voice(rate: int, seconds: float = 1.5, n_channels: int = 1) -> np.ndarray:
    """Return harmonics of 150 Hz up to 3 kHz over soft noise: something codecs are made for."""
    t = np.arange(int(rate * seconds)) / rate
    tones = sum(np.sin(2 * np.pi * 150 * k * t + k) / k for k in range(1, 21))
    sound = 0.15 * tones * (1 + 0.5 * np.sin(2 * np.pi * 3 * t)) + 0.003 * RNG.standard_normal(len(t))
    return np.tile(sound, (n_channels, 1)).astype("f4")


@pytest.mark.parametrize("suffix, bits", [("wav", 16), ("wav", 24), ("flac", 16), ("flac", 24)])
def test_integers_round_once_and_then_stay(tmp_path, suffix, bits):
    sound = voice(16000, n_channels=2)
    path = tmp_path / f"a.{suffix}"
    done = write.write(path, sound, 16000, bits=bits)
    got, rate = read.read(path)
    assert (rate, done.sample_rate, done.n_samples, done.gain, done.n_clipped) == (
        16000,
        16000,
        24000,
        1.0,
        0,
    )
    assert read.info(path).format.endswith(f"PCM_{bits}")
    np.testing.assert_allclose(got, sound, rtol=0, atol=0.5001 * 2.0 ** (1 - bits))
    write.write(tmp_path / f"b.{suffix}", got, rate, bits=bits)
    assert (tmp_path / f"b.{suffix}").read_bytes() == path.read_bytes()


def test_full_scale_integers_by_hand(tmp_path):
    write.write(tmp_path / "a.wav", np.array([1.0, -1.0, 0.5, 0.0, 2.0**-16]), 8000)
    integers, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    np.testing.assert_array_equal(integers, [32767, -32768, 16384, 0, 0])


def test_floats_are_kept_as_they_are_even_beyond_full_scale(tmp_path):
    sound = 3 * voice(8000)
    done = write.write(tmp_path / "a.wav", sound, 8000, bits=32)
    np.testing.assert_array_equal(read.read(tmp_path / "a.wav")[0], sound)
    assert (done.gain, done.n_clipped) == (1.0, 0)


@pytest.mark.parametrize(
    "format, rate", [(format, rate) for format, rates in TIMES.items() for rate in rates]
)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_lossy_formats_keep_length_time_and_level(format, rate, n_channels):
    sound = voice(rate, n_channels=n_channels)
    done = write.encoded(sound, rate, format)
    got, got_rate = soundfile.read(io.BytesIO(done.data), dtype="float32", always_2d=True)
    assert got_rate == done.sample_rate and len(got) == done.n_samples and got.shape[1] == n_channels
    assert len(got) / got_rate == pytest.approx(1.5, abs=1 / rate)
    got = resample(got.T, got_rate, rate)[:, : sound.shape[1]]
    assert level.rms_db(got) == pytest.approx(level.rms_db(sound), abs=0.1)
    reach, start, n = rate // 200, rate // 2, rate // 20
    likeness = np.correlate(sound[0, start - reach : start + n + reach], got[0, start : start + n], "valid")
    assert abs(likeness.argmax() - reach) <= max(1, rate // 8000)


@pytest.mark.parametrize("kbps", [16, 32, 48, 64, 128, 256])
@pytest.mark.parametrize("rate", [8000, 24000, 44100])
def test_mp3_has_the_same_level_at_every_bit_rate(kbps, rate):
    if (rate == 8000 and kbps > 64) or (rate == 24000 and kbps > 160) or (rate == 44100 and kbps < 48):
        return
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    got = codecs.decode(write.encode(tone, rate, "mp3", bitrate_kbps=kbps))
    inner = slice(rate // 4, -rate // 4)
    assert level.rms_db(got[:, inner]) == pytest.approx(level.rms_db(tone[inner]), abs=0.05)


@pytest.mark.parametrize("format", ["mp3", "opus"])
def test_bit_rates_are_kept(format):
    sound = voice(48000, 4.0) + 0.1 * RNG.standard_normal((1, 4 * 48000))
    sizes = [len(write.encode(sound, 48000, format, bitrate_kbps=k)) * 8 / 4000 for k in (48, 96, 192)]
    np.testing.assert_allclose(sizes, [48, 96, 192], rtol=0.25)


@pytest.mark.parametrize("format", list(write.FORMATS))
@pytest.mark.parametrize("n_samples", [1, 2, 100, 1153])
def test_short_sounds_keep_their_length(format, n_samples):
    data = write.encode(0.1 * RNG.standard_normal((1, n_samples)), 24000, format)
    assert codecs.decode(data).shape == (1, n_samples)


@pytest.mark.parametrize("format", list(write.FORMATS))
def test_beyond_full_scale_is_never_silent(format):
    loud = 4 * voice(24000)
    peak = np.abs(loud).max()
    with pytest.raises(
        InputError, match=r"exceed full scale, the peak is .* dBFS\); turn the sound down, or choose"
    ):
        write.encode(loud, 24000, format)
    scaled = write.encoded(loud, 24000, format, clipping="scale")
    decoded = codecs.decode(scaled.data)
    assert np.abs(decoded).max() <= 1.0 and scaled.n_clipped == 0
    assert 0.8 / peak < scaled.gain <= 1.0001 / peak
    assert level.rms_db(decoded) == pytest.approx(level.rms_db(loud) + 20 * np.log10(scaled.gain), abs=0.1)
    clipped = write.encoded(loud, 24000, format, clipping="clip")
    assert clipped.n_clipped == np.count_nonzero(np.abs(loud) > level.FULL_SCALE) and clipped.gain == 1


@pytest.mark.parametrize("format", ["mp3", "opus"])
def test_scale_turns_down_what_would_only_decode_beyond_full_scale(format):
    square = np.sign(np.sin(2 * np.pi * 220.5 * np.arange(24000) / 24000)).astype("f4")[None]
    assert np.abs(codecs.decode(write.encode(square, 24000, format))).max() > 1.02
    done = write.encoded(square, 24000, format, clipping="scale")
    assert np.abs(codecs.decode(done.data)).max() <= 1.0 and 0.4 < done.gain < 0.98


@pytest.mark.parametrize(
    "format, bits", [("wav", 16), ("wav", 32), ("flac", 16), ("mp3", None), ("opus", None)]
)
def test_the_same_sound_gives_the_same_bytes_later(format, bits, monkeypatch):
    sound = voice(24000)
    first = write.encode(sound, 24000, format, bits=bits)
    time.sleep(1.1)
    assert write.encode(sound, 24000, format, bits=bits) == first


def test_ogg_checksums_are_those_of_the_library():
    buffer = io.BytesIO()
    soundfile.write(buffer, voice(16000, 3.0).T, 16000, format="OGG", subtype="OPUS")
    data = buffer.getvalue()
    assert stable.ogg(data, serial=int.from_bytes(data[14:18], "little")) == data
    changed = stable.ogg(data)
    assert changed != data and stable.ogg(stable.ogg(data, 99)) == changed
    with pytest.raises(FormatError, match="no Ogg page at byte 0"):
        stable.ogg(b"RIFF" + bytes(100))


def test_ogg_checksum_by_hand():
    assert stable.crc(b"") == 0
    assert stable.crc(b"\x01") == 0x04C11DB7
    assert stable.crc(b"123456789") == 0x89A1897F  # CRC-32 of this polynomial, not reflected, from 0


def test_a_wav_without_time_stamp_is_left_alone():
    data = write.encode(voice(8000), 8000, "wav")
    assert stable.wav(data) is data
    assert stable.wav(b"RIFF") == b"RIFF"


def test_writing_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "a.flac"
    write.write(path, voice(8000), 8000)
    before = path.read_bytes()
    with pytest.raises(InputError, match="NaN or infinite"):
        write.write(path, np.array([[0.0, np.nan]]), 8000)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == ["a.flac"]
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "b.wav").mkdir()
    with pytest.raises(StoreError, match=r"cannot write .*b\.wav"):
        write.write(tmp_path / "taken" / "b.wav", voice(8000), 8000)


@pytest.mark.parametrize(
    "shape, options, message",
    [
        ((1, 0), {}, r"expected a waveform \(channel, time\) with samples, got shape \(1, 0\)"),
        ((1, 1, 5), {}, r"got shape \(1, 1, 5\)"),
        ((3, 100), {"format": "mp3"}, "mp3 holds 2 channels at most, got 3; mix them or write wav"),
        ((1, 100), {"format": "mp3", "bits": 16}, r"mp3 has a bit rate \(bitrate_kbps\), no bits per sample"),
        ((1, 100), {"format": "flac", "bitrate_kbps": 64}, r"flac has bits per sample \(bits\), no bit rate"),
        ((1, 100), {"format": "flac", "bits": 32}, r"flac holds \[16, 24\] bits per sample, got 32"),
        ((1, 100), {"format": "mp3", "bitrate_kbps": 320}, "mp3 at 8000 Hz takes 8 to 64 kbit/s, got 320"),
        ((1, 100), {"format": "opus", "bitrate_kbps": 2}, "opus, per channel takes 6 to 256 kbit/s, got 2"),
    ],
)
def test_errors(shape, options, message):
    with pytest.raises(InputError, match=message):
        write.encode(np.zeros(shape), 8000, **{"format": "wav", **options})


def test_unknown_names(tmp_path):
    with pytest.raises(UnknownNameError, match=r"unknown sound format 'ogg'\. .*Known: wav, flac, mp3, opus"):
        write.write(tmp_path / "a.ogg", voice(8000), 8000)
    with pytest.raises(UnknownNameError, match="unknown clipping policy 'no'"):
        write.encode(voice(8000), 8000, "wav", clipping="no")


def bands_db(sound: np.ndarray, rate: int, edges: list[int]) -> np.ndarray:
    frequencies, density = welch(sound, rate, nperseg=2048)
    inside = [(frequencies >= low) & (frequencies < high) for low, high in pairwise(edges)]
    return np.array([10 * np.log10(density[chosen].sum() + 1e-20) for chosen in inside])


@pytest.mark.real
@pytest.mark.parametrize("format, rate", [("mp3", 44100), ("mp3", 16000), ("opus", 44100), ("opus", 16000)])
def test_real_recordings_keep_their_spectrum(test_data, format, rate):
    edges = [50, 200, 500, 1000, 2000, 4000, 7000, *([11000, 15000] if rate > 16000 else [])]
    changes = []
    for path in sorted((test_data / "esc10" / "audio").iterdir())[::60]:
        sound = resample(*read.read(path), rate)
        done = write.encoded(sound, rate, format, clipping="scale")
        got = resample(codecs.decode(done.data), done.sample_rate, rate)[:, : sound.shape[1]]
        assert abs(got.shape[1] - sound.shape[1]) <= 1
        wanted, found = (bands_db(x[0], rate, edges) for x in (sound * done.gain, got))
        changes.append(np.where(wanted > wanted.max() - 40, found - wanted, np.nan))
    assert np.nanmax(np.abs(np.nanmedian(changes, 0))) < 0.5
    assert np.nanmax(np.abs(changes)) < 1.5
