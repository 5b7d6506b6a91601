"""Where do published datasets come from, under which licence, and with which checksum?

The table names only what its publisher offers for direct download. Where the publisher states no checksum (an
archive that GitHub makes on demand, for one) none is given here: the first download records what it got, a
later one is compared with that. Nothing is ever downloaded except by ``otoscope data get`` or
:func:`otoscope.data.download.get`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One file of a download.

    Attributes
    ----------
    url : str
        Where it is.
    file : str
        Its name here; a ``.zip``, ``.tar`` or ``.tar.gz`` is unpacked.
    checksum : str
        ``"md5:..."`` or ``"sha256:..."`` as the publisher states it; empty where none is stated.
    size_mib : int or None
        Roughly how large it is, for the progress display.
    into : str
        Subfolder it goes into; empty is the dataset's own folder.
    """

    url: str
    file: str
    checksum: str = ""
    size_mib: int | None = None
    into: str = ""


@dataclass(frozen=True)
class Download:
    """A published dataset.

    Attributes
    ----------
    title, citation : str
        What it is and what to cite.
    licence : str
        The licence of the data, shown before and after the download.
    page : str
        The publisher's page.
    parts : tuple of Part
        The files.
    scheme : str
        DATA scheme that opens the result; empty where no layout is known here.
    """

    title: str
    citation: str
    licence: str
    page: str
    parts: tuple[Part, ...]
    scheme: str = ""


def _zenodo(record: int, file: str, checksum: str, size_mib: int | None = None, into: str = "") -> Part:
    return Part(
        f"https://zenodo.org/records/{record}/files/{file}?download=1", file, checksum, size_mib, into
    )


def _nsynth(part: str, size_mib: int) -> Part:
    file = f"nsynth-{part}.jsonwav.tar.gz"
    url = f"http://download.magenta.tensorflow.org/datasets/nsynth/{file}"
    return Part(url, file, size_mib=size_mib)


_FSD50K = 4060432
_SONYC = 3966543
_SONYC_AUDIO_MD5 = (
    "bbb4dbae7d2e58e18d24878b9ee1eb51",
    "7c369ff37ac6a1fdd8493fdffe62e0a1",
    "412241c063d7f196953d3dd1c44aeb5e",
    "d2a872392d95993a2c238d305b940812",
    "b15b0e0cb3f8584259ef0d24293a9be3",
    "de745f887067433757a2f2c8f99f99bb",
    "b0286c67468369d66336f6f5ddede31f",
    "ff300183ab7a9d3f2f74c3b730ffeb52",
    "7be76b821fa6dbe20f6b50ca440e1024",
    "959f7edfbb26eadad9865069f38aa9dd",
    "84e94de273666c537a3e6b709ee88d9b",
    "44fe1f43121a7d1178aa0cdf7477793b",
    "a7eb21011f460b5ac289f8e285e875ab",
    "27945a8b1008eec787f97213164951e6",
    "fb8c7d81c3bde3a0c86c1e55e6a85a24",
    "f6af9b65d876ef96d199b9e5f0473cb9",
    "e8337c61a90c30989d500f950fbe443a",
    "3e47e85eb4564a30fe7f442ee97ec7b9",
    "c6b2ef4d0d5b7269d465c469cdbbdc4b",
)

DOWNLOADS: dict[str, Download] = {
    "esc50": Download(
        title="ESC-50 (and ESC-10 within it): 2000 environmental sounds of 5 s, 50 classes, 5 folds",
        citation="K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015, "
        "doi 10.1145/2733373.2806390",
        licence="CC BY-NC 3.0; its ESC-10 part CC BY 3.0; each clip also has its own licence (LICENSE in the folder)",
        page="https://github.com/karolpiczak/ESC-50",
        parts=(
            Part(
                "https://github.com/karolpiczak/ESC-50/archive/master.zip", "ESC-50-master.zip", size_mib=616
            ),
        ),
        scheme="esc50",
    ),
    "fsdd": Download(
        title="Free Spoken Digit Dataset v1.0.10: 3000 spoken digits, 6 speakers, 8 kHz",
        citation="Z. Jackson et al., Free Spoken Digit Dataset, doi 10.5281/zenodo.1342401",
        licence="CC BY-SA 4.0",
        page="https://github.com/Jakobovski/free-spoken-digit-dataset",
        parts=(
            Part(
                "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip",
                "free-spoken-digit-dataset-1.0.10.zip",
                size_mib=16,
            ),
        ),
        scheme="fsdd",
    ),
    "urbansound8k": Download(
        title="UrbanSound8K: 8732 urban sounds of at most 4 s, 10 classes, 10 folds",
        citation="J. Salamon, C. Jacoby and J. P. Bello, A Dataset and Taxonomy for Urban Sound Research, "
        "ACM Multimedia 2014, doi 10.1145/2647868.2655045",
        licence="CC BY-NC 4.0 (the record; the set's own page says CC BY-NC 3.0)",
        page="https://zenodo.org/records/1203745",
        parts=(_zenodo(1203745, "UrbanSound8K.tar.gz", "md5:9aa69802bbf37fb986f71ec1483a196e", 5757),),
        scheme="urbansound8k",
    ),
    "speech-commands": Download(
        title="Speech Commands v2: 105829 spoken words of 1 s, 35 words",
        citation="P. Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, 2018, "
        "arXiv 1804.03209",
        licence="CC BY 4.0",
        page="https://arxiv.org/abs/1804.03209",
        parts=(
            Part(
                "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
                "speech_commands_v0.02.tar.gz",
                "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
                2316,
            ),
        ),
        scheme="speech-commands",
    ),
    "nsynth": Download(
        title="NSynth: 305979 musical notes of 4 s, 1006 instruments",
        citation="J. Engel et al., Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders, ICML 2017, "
        "arXiv 1704.01279",
        licence="CC BY 4.0",
        page="https://magenta.tensorflow.org/datasets/nsynth",
        parts=(_nsynth("train", 23700), _nsynth("valid", 1040), _nsynth("test", 334)),
        scheme="nsynth",
    ),
    "sonyc-ust": Download(
        title="SONYC-UST v2.3: 18510 recordings of 10 s from New York's streets, 8 coarse and 23 fine tags",
        citation="M. Cartwright et al., SONYC-UST-V2: An Urban Sound Tagging Dataset with Spatiotemporal Context, "
        "DCASE 2020",
        licence="CC BY 4.0",
        page="https://zenodo.org/records/3966543",
        parts=(
            _zenodo(_SONYC, "annotations.csv", "md5:70b507b15bb4cfcce4870925302f276b"),
            _zenodo(_SONYC, "dcase-ust-taxonomy.yaml", "md5:6c1cca1c4c383a6ebb0cb71cb74fe3a9"),
            *(
                _zenodo(_SONYC, f"audio-{i}.tar.gz", f"md5:{md5}", None, "audio")
                for i, md5 in enumerate(_SONYC_AUDIO_MD5)
            ),
        ),
        scheme="sonyc-ust",
    ),
    "surge": Download(
        title="Surge synthesizer notes: 2084 presets x 88 notes at velocity 64",
        citation="J. Turian et al., One Billion Audio Sounds from GPU-enabled Modular Synthesis, DAFx 2021, "
        "arXiv 2104.12922",
        licence="see the record's page",
        page="https://zenodo.org/records/4677097",
        parts=(_zenodo(4677097, "surge-velocity64-2K.tar", ""),),
        scheme="surge",
    ),
    "fsd50k": Download(
        title="FSD50K: 51197 sounds from Freesound, 200 classes, several a clip",
        citation="E. Fonseca et al., FSD50K: An Open Dataset of Human-Labeled Sound Events, IEEE/ACM Transactions on "
        "Audio, Speech, and Language Processing 30, 2022, doi 10.1109/TASLP.2021.3133208",
        licence="CC BY for the set; each clip has its own (CC0, CC BY, CC BY-NC or CC Sampling+), in FSD50K.metadata",
        page="https://zenodo.org/records/4060432",
        parts=(
            *(_zenodo(_FSD50K, f"FSD50K.{one}.zip", "") for one in ("ground_truth", "metadata", "doc")),
            *(
                _zenodo(_FSD50K, f"FSD50K.dev_audio.{one}", "")
                for one in ("z01", "z02", "z03", "z04", "z05", "zip")
            ),
            *(_zenodo(_FSD50K, f"FSD50K.eval_audio.{one}", "") for one in ("z01", "zip")),
        ),
        scheme="fsd50k",
    ),
    "gise51": Download(
        title="GISE-51, isolated events: 51 classes of sounds cut from FSD50K (the mixtures are on the record's page)",
        citation="S. Yadav, M. E. Foster, GISE-51: A scalable isolated sound events dataset, 2021, arXiv 2103.12306",
        licence="CC BY 4.0",
        page="https://zenodo.org/records/4593514",
        parts=(_zenodo(4593514, "isolated_events.tar.gz", ""),),
        scheme="gise51",
    ),
}
"""Name on the command line -> what is downloaded."""
