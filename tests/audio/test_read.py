"""Reading: what comes back, segments, and what the user sees for a file that must not be used."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from otoscope.audio import mpeg, read
from otoscope.errors import AudioFileError, InputError, OtoscopeError

RATE = 16000


def noise(n_samples: int = RATE, n_channels: int = 1, seed: int = 0) -> np.ndarray:
    return (
        (0.2 * np.random.default_rng(seed).standard_normal((n_samples, n_channels))).clip(-1, 1).astype("f4")
    )


def test_integers_are_scaled_to_full_scale(tmp_path):
    path = tmp_path / "ints.wav"
    soundfile.write(path, np.array([[0, -32768], [16384, 1]], np.int16), 8000, subtype="PCM_16")
    waveform, rate = read.read(path)
    assert rate == 8000 and waveform.dtype == np.float32 and waveform.flags.c_contiguous
    np.testing.assert_array_equal(waveform, np.array([[0, 0.5], [-1, 2**-15]], np.float32))


def test_24_bits_keep_24_bits(tmp_path):
    path = tmp_path / "deep.wav"
    soundfile.write(path, np.array([1, 2**22], np.int32) << 8, 8000, subtype="PCM_24")
    np.testing.assert_array_equal(read.read(path)[0], [[2**-23, 0.5]])


@pytest.mark.parametrize(
    "suffix, subtype, error",
    [
        ("wav", "PCM_24", 1e-6),
        ("flac", "PCM_24", 1e-6),
        ("ogg", "VORBIS", 0.2),
        ("mp3", "MPEG_LAYER_III", 0.3),
    ],
)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_formats(tmp_path, suffix, subtype, error, n_channels):
    time = np.arange(44100) / 44100
    sound = np.stack([0.5 * np.sin(2 * np.pi * f * time) for f in (440, 1000)[:n_channels]], 1)
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, sound, 44100, subtype=subtype)
    waveform, rate = read.read(path)
    assert (waveform.shape, rate) == ((n_channels, 44100), 44100)
    assert np.abs(waveform.T - sound)[4000:-4000].max() < error * 0.5
    info = read.info(path)
    assert (info.duration_s, info.sample_rate, info.n_channels, info.n_samples) == (
        1.0,
        44100,
        n_channels,
        44100,
    )
    assert info.format.endswith(subtype)


def test_eight_channels_at_192_khz_and_a_single_sample(tmp_path):
    soundfile.write(tmp_path / "eight.wav", noise(1920, 8), 192000)
    assert read.read(tmp_path / "eight.wav")[0].shape == (8, 1920)
    soundfile.write(tmp_path / "one.wav", noise(1), 8000)
    assert read.read(tmp_path / "one.wav")[0].shape == (1, 1)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_segment_is_that_part_of_the_file(tmp_path, suffix):
    path = tmp_path / f"long.{suffix}"
    soundfile.write(path, noise(3 * RATE), RATE)
    whole, _ = read.read(path)
    part, rate = read.read(path, start_s=1.25, end_s=2.5)
    assert rate == RATE
    np.testing.assert_allclose(part, whole[:, 20000:40000], atol=2e-3 if suffix == "mp3" else 1e-6)
    np.testing.assert_array_equal(read.read(path, end_s=0.5)[0], whole[:, :8000])
    assert read.read(path, start_s=2.5)[0].shape == (1, 8000)


def test_a_segment_may_end_a_rounding_error_after_the_file(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(RATE), RATE)
    assert read.read(path, start_s=0.5, end_s=1.04)[0].shape == (1, 8000)
    with pytest.raises(AudioFileError, match=r"a\.wav: the segment ends at 1.2 s but the file at 1 s"):
        read.read(path, start_s=0.5, end_s=1.2)
    with pytest.raises(AudioFileError, match=r"from 1 s holds no sample, the file lasts 1 s"):
        read.read(path, start_s=1.0)


@pytest.mark.parametrize(
    "start_s, end_s", [(-1, None), (1, 1), (1, 0.5), (float("nan"), None), (0, float("nan"))]
)
def test_impossible_segments(tmp_path, start_s, end_s):
    soundfile.write(tmp_path / "a.wav", noise(), RATE)
    with pytest.raises(InputError, match="a segment needs 0 <= start_s < end_s"):
        read.read(tmp_path / "a.wav", start_s=start_s, end_s=end_s)


def refused(path: Path, reason: str) -> None:
    """Check that reading is refused with path and reason, and that an ordinary handler would catch it."""
    with pytest.raises(AudioFileError, match=reason) as caught:
        read.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert isinstance(caught.value, OSError) and isinstance(caught.value, OtoscopeError)


def test_a_text_file_named_wav(tmp_path):
    (tmp_path / "notes.wav").write_text("these are notes, not sound\n" * 10)
    refused(tmp_path / "notes.wav", "not a sound file that can be decoded")
    with pytest.raises(AudioFileError, match="not a sound file"):
        read.info(tmp_path / "notes.wav")


def test_a_raw_file_cannot_be_guessed(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(100))
    refused(tmp_path / "a.raw", "not a sound file that can be decoded")


def test_missing_folder_empty_dangling(tmp_path):
    refused(tmp_path / "nowhere.wav", "there is no such file")
    (tmp_path / "folder.wav").mkdir()
    refused(tmp_path / "folder.wav", "a folder or device, not a sound file")
    (tmp_path / "empty.wav").touch()
    refused(tmp_path / "empty.wav", r"the file is empty \(0 bytes\)")
    (tmp_path / "link.wav").symlink_to(tmp_path / "gone.wav")
    refused(tmp_path / "link.wav", "there is no such file")


def test_no_permission(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", noise(), RATE)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    refused(tmp_path / "a.wav", "no permission to read it")


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_zero_length(tmp_path, suffix):
    soundfile.write(tmp_path / f"none.{suffix}", np.zeros((0, 1)), RATE)
    refused(tmp_path / f"none.{suffix}", "zero-length, the file holds no samples|the file is empty")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path, bad):
    sound = noise(100, 2)
    sound[3, 1] = bad
    soundfile.write(tmp_path / "bad.wav", sound, RATE, subtype="FLOAT")
    refused(tmp_path / "bad.wav", "1 of 200 samples are NaN or infinite")


@pytest.mark.parametrize("loudest", [1e11, -1e30, 3e38])
def test_samples_that_are_no_sound(tmp_path, loudest):
    sound = noise(100, 2)
    sound[3, 1] = loudest
    soundfile.write(tmp_path / "bad.wav", sound, RATE, subtype="FLOAT")
    said = f"a sample of {abs(loudest):.3g}, where full scale is 1 and 1e+10 the most that is taken for sound"
    refused(tmp_path / "bad.wav", re.escape(said))


def test_integers_stored_as_they_are_are_sound(tmp_path):
    sound = (noise(100, 1) * 2.0**31).astype(np.float32)
    soundfile.write(tmp_path / "large.wav", sound, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read.read(tmp_path / "large.wav")[0], sound.T)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
@pytest.mark.parametrize("share", [0.3, 0.61, 0.9])
def test_a_truncated_file(tmp_path, suffix, share):
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    soundfile.write(whole, noise(4 * RATE), RATE)
    data = whole.read_bytes()
    cut.write_bytes(data[: int(share * len(data))])
    refused(cut, "truncated|not a sound file")


def test_a_streamed_wav_of_unknown_length_is_read_to_its_end(tmp_path):
    path = tmp_path / "stream.wav"
    soundfile.write(path, noise(1000), RATE, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"data") + 4, 0xFFFFFFFF)
    path.write_bytes(data)
    assert read.read(path)[0].shape == (1, 1000)


def mp3_without_length(path: Path, **options) -> bytes:
    """Write an MP3 and take its first frame, which holds the length, away."""
    varied = np.concatenate([0.001 * noise(2 * RATE), noise(2 * RATE), np.zeros((RATE, 1), "f4")])
    soundfile.write(path, varied, RATE, format="MP3", **options)
    data = path.read_bytes()
    tag = min(at for at in (data.find(b"Xing"), data.find(b"Info")) if at >= 0)
    sync = data[:2]
    path.write_bytes(data[data.index(sync, tag) :])
    return data


def test_an_mp3_of_variable_rate_that_hides_its_length_is_refused(tmp_path):
    path = tmp_path / "guess.mp3"
    data = mp3_without_length(path)
    assert mpeg.length_is_a_guess(path)
    refused(path, "an MP3 of variable bit rate that does not say its length")
    path.write_bytes(b"ID3\x03\x00\x00\x00\x00\x01\x00" + bytes(128) + data)
    assert not mpeg.length_is_a_guess(path) and read.read(path)[0].shape == (1, 5 * RATE)


def test_an_mp3_of_constant_rate_needs_no_length(tmp_path):
    path = tmp_path / "constant.mp3"
    mp3_without_length(path, bitrate_mode="CONSTANT", compression_level=0.5)
    assert not mpeg.length_is_a_guess(path)
    assert abs(read.read(path)[0].shape[1] - 5 * RATE) < 3 * mpeg.FRAME_SAMPLES_MAX


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_file_in_memory_is_read_as_one_on_disk(tmp_path, suffix):
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, noise(n_channels=2), RATE)
    expected, rate = read.read(path)
    found, same_rate = read.read_bytes(path.read_bytes(), "row 3")
    np.testing.assert_array_equal(found, expected)
    assert rate == same_rate == RATE


def test_a_damaged_file_in_memory_is_refused_by_its_name(tmp_path):
    path = tmp_path / "sound.wav"
    soundfile.write(path, noise(), RATE)
    for content, reason in (
        (b"", r"row 3: the file is empty \(0 bytes\)"),
        (b"text" * 50, "row 3: not a sound file that can be decoded"),
        (path.read_bytes()[:900], "row 3: truncated, 856 of 32000 bytes of sound are there"),
    ):
        with pytest.raises(AudioFileError, match=reason):
            read.read_bytes(content, "row 3")
    varied = tmp_path / "guess.mp3"
    mp3_without_length(varied)
    with pytest.raises(
        AudioFileError, match="row 3: an MP3 of variable bit rate that does not say its length"
    ):
        read.read_bytes(varied.read_bytes(), "row 3")


def test_an_mp3_without_a_frame_is_not_said_to_be_missing(tmp_path):
    path = tmp_path / "noise.mp3"
    path.write_bytes(np.random.default_rng(0).bytes(3000))
    with pytest.raises(AudioFileError, match=r"noise\.mp3: not a sound file that can be decoded") as caught:
        read.read(path)
    assert "does not exist" not in str(caught.value)


@pytest.mark.real
def test_real_recordings(test_data):
    for folder, rate in (("esc10/audio", 44100), ("fsdd/recordings", 8000)):
        paths = sorted((test_data / folder).iterdir())[::40]
        assert len(paths) >= 10
        for path in paths:
            waveform, found = read.read(path)
            info = read.info(path)
            assert found == rate == info.sample_rate
            assert waveform.shape == (info.n_channels, info.n_samples)
            assert 0 < np.abs(waveform).max() < 1.5
