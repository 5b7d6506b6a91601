"""CREMA-D: 7442 sentences spoken by 91 actors in six emotions; label sets ``emotion`` and more, group = actor.

``ROOT/AudioWAV/<actor>_<sentence>_<emotion>_<level>.wav``, such as ``1001_DFA_ANG_XX.wav``: 91 actors, 12 sentences,
the emotions ANG DIS FEA HAP NEU SAD, the levels LO MD HI XX. ``VideoDemographics.csv`` (ActorID, Age, Sex, ...)
beside it adds the label set ``gender`` and the column ``age``. There is no official split: split by group, that is by
actor. The labels are what the actors were asked for, not what listeners heard. A file without sound is a counted
failure.

The repository keeps its sounds by git-lfs: a plain download has pointers instead of sounds, which fail one by one.

Reference: H. Cao et al., CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions on Affective
Computing 5, 2014, doi 10.1109/TAFFC.2014.2336244.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.delimited import read_delimited
from otoscope.data.listed import root_of
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, class_names, require_columns, sound_names
from otoscope.errors import DataLayoutError

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
"""Code in the file name -> class."""


def emotion(name: str) -> str:
    """Return the class that a code in file names stands for; any other name in lower case.

    Examples
    --------
    >>> emotion("ANG"), emotion("Anger"), emotion("Jazz")
    ('anger', 'anger', 'jazz')
    """
    return EMOTIONS.get(name.upper(), name.lower())


_NAME = re.compile(
    r"^(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<level>[A-Z]{1,2})\.\w+$"
)
_PEOPLE = "VideoDemographics.csv"
_EXPECTED = (
    "a folder AudioWAV/ with files such as 1001_DFA_ANG_XX.wav, and best VideoDemographics.csv beside it"
)


def load(rest: str) -> Clips:
    """Return CREMA-D laid out as published, with gender where VideoDemographics.csv is there: crema-d:PATH.

    Parameters
    ----------
    rest : str
        The folder with ``AudioWAV``, or the one above it.

    Raises
    ------
    DataLayoutError
        If there is no such folder, or a sound's name has another form.
    """
    root = root_of(rest, "CREMA-D", _EXPECTED, ["*"], lambda folder: (folder / "AudioWAV").is_dir())
    frame = _table(root / "AudioWAV")
    names = ["emotion"]
    if (root / _PEOPLE).is_file():
        frame = frame.join(_people(root / _PEOPLE), on="group", how="left", maintain_order="left")
        names += ["gender"]
    return assemble(
        frame,
        [LabelSet(one, class_names(frame[one].drop_nulls().to_list())) for one in (*names, "sentence")],
        FileSource(root),
        name="crema-d",
        spec=f"crema-d:{rest}",
        expected=_EXPECTED,
        group_declared=True,
    )


def _table(folder: Path) -> pl.DataFrame:
    rows = []
    for name in sorted(sound_names(folder)):
        match = _NAME.match(name)
        if match is None or match["emotion"] not in EMOTIONS:
            raise DataLayoutError(
                f"{folder}: sounds are named ACTOR_SENTENCE_EMOTION_LEVEL.wav, not {name!r}"
            )
        rows.append(
            (
                f"AudioWAV/{name}",
                match["actor"],
                EMOTIONS[match["emotion"]],
                match["sentence"],
                match["level"],
            )
        )
    columns = ("path", "group", "emotion", "sentence", "level")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def _people(file: Path) -> pl.DataFrame:
    frame = read_delimited(file, text=("ActorID", "Sex"))
    require_columns(frame, ("ActorID", "Age", "Sex"), file)
    return frame.select(group="ActorID", gender=pl.col("Sex").str.to_lowercase(), age="Age")
