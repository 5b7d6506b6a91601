"""Published layouts in miniature: each function writes one, and returns what stands after the scheme's colon."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.data.conftest import write_tone

COARSE = ("1_engine", "2_machinery-impact", "8_dog")
FINE = (
    "1-1_small-sounding-engine",
    "1-2_medium-sounding-engine",
    "1-X_engine-of-uncertain-size",
    "2-1_rock-drill",
    "8-1_dog-barking-whining",
)
VOTES = [  # split, recording, annotator; then presence of the fine and of the coarse tags
    ("train", "a.wav", 11, (1, 0, 0, 0, 0), (1, 0, 0)),
    ("train", "a.wav", 12, (0, 0, 0, 0, -1), (0, 1, -1)),
    ("train", "a.wav", -3, (-1, -1, -1, 0, -1), (-1, 0, -1)),
    ("train", "b.wav", 11, (0, 1, 1, 0, 0), (1, 0, 0)),
    ("train", "b.wav", 0, (0, 1, 1, 0, 1), (1, 0, 1)),
    ("validate", "c.wav", 0, (0, 0, 0, 1, 0), (0, 1, 0)),
    ("validate", "c.wav", 13, (1, 0, 0, 0, 0), (1, 0, 0)),
    ("validate", "d.wav", 13, (1, 0, 0, 0, 0), (1, 0, 0)),
    ("test", "e.wav", 0, (0, 0, 1, 0, -1), (1, 0, -1)),
]


def tones(root: Path, *names: str) -> None:
    for index, name in enumerate(names):
        write_tone(root / name, seconds=0.1, hz=300.0 + 50 * index)


def speech_commands(folder: Path) -> str:
    root = folder / "sc"
    tones(root, "yes/aa_nohash_0.wav", "yes/bb_nohash_0.wav", "no/aa_nohash_1.wav", "no/cc_nohash_0.wav")
    tones(root, "_background_noise_/pink.wav")
    (root / "validation_list.txt").write_text("yes/bb_nohash_0.wav\n")
    (root / "testing_list.txt").write_text("no/cc_nohash_0.wav\n")
    return str(root)


def voxceleb1(folder: Path) -> str:
    root = folder / "vox"
    paths = ("id1/v1/00001.wav", "id1/v2/00001.wav", "id2/v3/00001.wav", "id2/v3/00002.wav")
    tones(root / "wav", *paths)
    lines = [f"{part} {path}" for part, path in zip("1231", paths, strict=True)]
    (root / "iden_split.txt").write_text("\n".join(lines) + "\n")
    people = [
        "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet",
        "id1\tAnn\tf\tUK\tdev",
        "id2\tBob\tm\tNew Zealand\ttest",
    ]
    (root / "vox1_meta.csv").write_text("\n".join(people) + "\n")
    return str(root)


def voxforge(folder: Path) -> str:
    root = folder / "vf"
    tones(
        root,
        "de/ann-20080425-abc/wav/a1.wav",
        "de/ann-20210101-xyz/wav/a1.wav",
        "en/bob-20090101-q/flac/b1.flac",
    )
    tones(root, "en/anonymous-20100101-a/wav/c1.wav", "en/anonymous-20100101-b/wav/c1.wav")
    (root / "de" / "ann-20080425-abc" / "etc").mkdir()
    (root / "de" / "ann-20080425-abc" / "etc" / "PROMPTS").write_text("a1 GUTEN TAG\n")
    return str(root)


def crema_d(folder: Path) -> str:
    root = folder / "crema"
    tones(root / "AudioWAV", "1001_DFA_ANG_XX.wav", "1001_IEO_SAD_HI.wav", "1002_DFA_NEU_XX.wav")
    people = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","a","b"\n1002,21,"Female","a","b"\n'
    (root / "VideoDemographics.csv").write_text(people)
    return str(root)


def nsynth(folder: Path) -> str:
    root = folder / "ns"
    notes = [
        ("train", "bass_synthetic_033", 22, 50),
        ("train", "bass_synthetic_033", 60, 127),
        ("valid", "flute_acoustic_002", 108, 25),
    ]
    parts: dict[str, dict[str, object]] = {"train": {}, "valid": {}}
    for part, instrument, pitch, velocity in notes:
        name = f"{instrument}-{pitch:03d}-{velocity:03d}"
        tones(root / f"nsynth-{part}" / "audio", f"{name}.wav")
        family, source, _ = instrument.split("_")
        parts[part][name] = {
            "note": 1, "instrument_str": instrument, "pitch": pitch, "velocity": velocity, "sample_rate": 16000,
            "instrument_family_str": family, "instrument_source_str": source, "qualities_str": ["dark", "long_release"],
        }  # fmt: skip
    for part, content in parts.items():
        (root / f"nsynth-{part}" / "examples.json").write_text(json.dumps(content))
    return str(root)


def surge(folder: Path) -> str:
    root = folder / "surge"
    for tone in ("surge-patches-a-velocity64", "surge-patches-b-velocity64"):
        tones(root / tone, "21.ogg", "60.ogg", "108.ogg")
    return str(root)


def gise51(folder: Path) -> str:
    root = folder / "gise"
    tones(root, "train/m1.flac", "train/m2.flac", "val/m1.flac", "eval/m1.flac")
    tones(root / "isolated_events", "train/Dog/123_1.wav", "train/Dog/123_2.wav", "eval/Cat/77_1.wav")
    texts = {"train/m1": "0.01\t0.05\tDog\n0.02\t0.09\tCat\n0.06\t0.08\tDog\n", "train/m2": "0.0\t0.1\tCat\n"}
    for name in ("train/m1", "train/m2", "val/m1", "eval/m1"):
        (root / f"{name}.txt").write_text(texts.get(name, "0.0\t0.05\tBee\n"))
    (root / "meta").mkdir()
    (root / "meta" / "lbl_map.json").write_text(json.dumps({"Dog": 0, "Bee": 2, "Cat": 1}))
    return str(root)


def fsd50k(folder: Path) -> str:
    root = folder / "fsd"
    tones(root, "FSD50K.dev_audio/1.wav", "FSD50K.dev_audio/2.wav", "FSD50K.eval_audio/9.wav")
    truth = root / "FSD50K.ground_truth"
    truth.mkdir()
    (truth / "dev.csv").write_text(
        'fname,labels,mids,split\n1,"Bark,Dog,Animal","/m/1,/m/2,/m/3",train\n2,Rain,/m/4,val\n'
    )
    (truth / "eval.csv").write_text('fname,labels,mids\n9,"Dog,Animal","/m/2,/m/3"\n')
    (truth / "vocabulary.csv").write_text("0,Animal,/m/3\n1,Bark,/m/1\n2,Dog,/m/2\n3,Rain,/m/4\n")
    (root / "FSD50K.metadata").mkdir()
    for part, names in (("dev", "12"), ("eval", "9")):
        info = {
            one: {"title": f"t{one}", "uploader": f"u{one}", "license": "CC0", "tags": []} for one in names
        }
        (root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json").write_text(json.dumps(info))
    return str(root)


def sonyc_ust(
    folder: Path, *, name: str = "annotations.csv", audio: str = "audio/audio-0", whole: bool = True
) -> str:
    root = folder / "sonyc"
    tones(root / audio, *sorted({row[1] for row in VOTES}))
    context = {
        "borough": 1,
        "block": 5,
        "latitude": 40.7,
        "longitude": -73.9,
        "year": 2019,
        "week": 3,
        "day": 2,
        "hour": 9,
    }
    more = context if whole else {}
    header = ["split", "sensor_id", "audio_filename", "annotator_id", *more]
    header += [f"{one}_presence" for one in FINE] + [f"{one}_proximity" for one in FINE]
    header += [f"{one}_presence" for one in COARSE]
    lines = [",".join(header)]
    for split, recording, annotator, fine, coarse in reversed(VOTES):
        sensor = {"train": "s1", "validate": "s2", "test": "s1"}[split]
        cells = [split, sensor, recording, annotator, *more.values()]
        lines.append(",".join(map(str, [*cells, *fine, *["notsure"] * len(fine), *coarse])))
    (root / name).write_text("\n".join(lines) + "\n")
    return str(root)


def evar(folder: Path) -> str:
    root = folder / "evar"
    tones(root, "audio/1.wav", "audio/2.wav", "audio/3.wav")
    (root / "x.csv").write_text(
        "file_name,label,split,speaker_id\naudio/1.wav,a,train,s\naudio/2.wav,b,valid,s\naudio/3.wav,a,,t\n"
    )
    return str(root / "x.csv")


BUILDERS: dict[str, Callable[[Path], str]] = {
    "speech-commands": speech_commands,
    "voxceleb1": voxceleb1,
    "voxforge": voxforge,
    "crema-d": crema_d,
    "nsynth": nsynth,
    "surge": surge,
    "gise51": gise51,
    "fsd50k": fsd50k,
    "sonyc-ust": sonyc_ust,
    "evar": evar,
}
"""Scheme -> what writes its layout in miniature."""
