"""Which comparisons of classes are named studies: their label sets, how labels map to classes, what is asked of pairs.

The seed's (T. Kawamura, D. Niizumi, N. Ono, "What Do Neurons Listen To?", arXiv 2602.15307, within-task and cross-task
analyses), each with the pairs that its text singles out, fixed here beforehand; and those of data that need no
download. Readings of the paper: gender x nationality classes of VoxCeleb1 are compared with CREMA-D's two by gender;
88 notes of Surge make the 9 octaves of MIDI numbers // 12 - 1, of which NSynth's pitches make up to 11.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

from otoscope.data.crema_d import emotion

Pairs = tuple[tuple[str, str], ...]
Asked = Callable[[Sequence[str], Sequence[str]], dict[str, Pairs]]


def nothing(first: Sequence[str], second: Sequence[str]) -> dict[str, Pairs]:
    """Ask nothing beyond the pairs one by one."""
    return {}


@dataclass(frozen=True)
class Task:
    """One side of a comparison.

    Attributes
    ----------
    labels : tuple of str
        Label sets, or combinations, of which the first that the run has is taken.
    octave_of : tuple of str
        Label sets of MIDI numbers from which ``octave`` is made where the run has no such label set.
    group : str
        What is exchanged; ``row`` where the classes are the groups themselves.
    top_rate : float
        Published share of neurons.
    """

    labels: tuple[str, ...]
    octave_of: tuple[str, ...] = ()
    group: str = "group"
    top_rate: float = 0.01


@dataclass(frozen=True)
class SharingStudy:
    """A named comparison.

    Attributes
    ----------
    about : str
        What is compared, and what the paper found.
    tasks : tuple of Task
        One, or two on one network.
    asked : callable
        Classes of both sides -> contrasts, name -> pairs.
    data : tuple of str
        What can be recorded without a path of the user's; empty where the user names the data.
    """

    about: str
    tasks: tuple[Task, ...]
    asked: Asked = nothing
    data: tuple[str, ...] = field(default=())


def sets_of(*named: tuple[str, ...]) -> Asked:
    """Return the contrast of classes that belong to one of these sets with each other.

    Names in either case; emotions as CREMA-D's files or as its loader call them.
    """

    def asked(first: Sequence[str], second: Sequence[str]) -> dict[str, Pairs]:
        known = {emotion(one): one for one in first}
        inside = [
            (known[a], known[b])
            for group in ([emotion(one) for one in names] for names in named)
            for a, b in product(group, group)
            if a < b and {a, b} <= set(known)
        ]
        return {"named by the paper": tuple(inside)} if inside else {}

    return asked


def octaves(first: Sequence[str], second: Sequence[str]) -> dict[str, Pairs]:
    """Return the same octave against others, and the same or an adjacent one against others."""
    apart = {(a, b): abs(int(a) - int(b)) for a, b in product(first, second)}
    limits = {"same octave": 0, "same or adjacent octave": 1}
    found = {name: tuple(pair for pair, far in apart.items() if far <= most) for name, most in limits.items()}
    return {name: pairs for name, pairs in found.items() if pairs}


def genders(first: Sequence[str], second: Sequence[str]) -> dict[str, Pairs]:
    """Return pairs of one gender against pairs of two: the first letter of the name, or of a part of a combination."""
    inside = [(a, b) for a, b in product(first, second) if _gender(a) and _gender(a) == _gender(b)]
    return {"same gender": tuple(inside)} if inside else {}


def _gender(name: str) -> str | None:
    words = {"m": "m", "male": "m", "f": "f", "female": "f"}
    return next(
        (words[one] for one in (part.strip().lower() for part in name.split("|")) if one in words), None
    )


_NOTES = ("note", "pitch", "label")
"""Label sets of MIDI numbers."""

EVENTS = {
    "dog": "bark", "laughing": "laughter", "coughing": "cough", "sneezing": "sneeze", "clapping": "applause",
    "footsteps": "walk and footsteps", "keyboard_typing": "computer keyboard", "crying_baby": "crying and sobbing",
    "cat": "meow", "church_bells": "church bell", "engine": "engine", "train": "rail transport",
    "thunderstorm": "thunder", "toilet_flush": "toilet flush", "rain": "rain", "wind": "wind", "clock_tick": "tick",
}  # fmt: skip
"""ESC-50 category -> a name of the same event in AudioSet's words, which GISE-51 uses; those it lacks are left out."""


def events(first: Sequence[str], second: Sequence[str]) -> dict[str, Pairs]:
    """Return the events that both collections have, by equal names or :data:`EVENTS`."""
    plain = {_plain(one): one for one in second}
    wanted = {one: {_plain(one), _plain(EVENTS.get(one.lower(), one))} for one in first}
    inside = [(a, plain[name]) for a, names in wanted.items() for name in sorted(names) if name in plain]
    return {"same event": tuple(inside)} if inside else {}


def _plain(name: str) -> str:
    return "".join(one for one in name.lower() if one.isalnum())


WITHIN: dict[str, SharingStudy] = {
    "gtzan": SharingStudy(
        "Genres of GTZAN; classical and jazz share much in the paper.",
        (
            Task(
                ("genre", "label"),
            ),
        ),
        sets_of(("classical", "jazz")),
    ),
    "cremad": SharingStudy(
        "Emotions of CREMA-D; the paper finds anger with happiness, and disgust, fear, neutral, sadness together.",
        (
            Task(
                ("emotion", "label"),
            ),
        ),
        sets_of(("ang", "hap"), ("dis", "fea", "neu", "sad")),
    ),
    "voxforge": SharingStudy(
        "Languages of VoxForge; German with English, and Spanish, French, Italian, Russian together in the paper.",
        (
            Task(
                ("language", "label"),
            ),
        ),
        sets_of(("de", "en"), ("es", "fr", "it", "ru")),
    ),
    "fsdd-digits": SharingStudy("Spoken digits of FSDD.", (Task(("digit",)),)),
    "fsdd-speakers": SharingStudy(
        "The six speakers of FSDD, exchanged by clip: nothing is said of speakers in general.",
        (Task(("speaker",), group="row"),),
    ),
}
"""Name -> a task whose classes are compared with each other."""

CROSS: dict[str, SharingStudy] = {
    "octave": SharingStudy(
        "Octaves of Surge and of NSynth; equal and adjacent octaves share in the paper, low and high ones most.",
        (Task(("octave",), _NOTES), Task(("octave",), _NOTES)),
        octaves,
    ),
    "events": SharingStudy(
        "Events of ESC-50 and of GISE-51; equal events share little in the paper, but for toilet flush and laughter.",
        (Task(("category", "label"), top_rate=0.02), Task(("label",), top_rate=0.02)),
        events,
    ),
    "gender": SharingStudy(
        "Gender x nationality of VoxCeleb1 and gender in CREMA-D; the same gender shares most in the paper.",
        (Task(("gender+nationality", "gender_nationality", "label")), Task(("gender", "sex", "label"))),
        genders,
    ),
    "octave-synthetic": SharingStudy(
        "Octaves of two synthetic instruments, an organ and a plucked string: timbres that say nothing of the octave.",
        (Task(("octave",)), Task(("octave",))),
        octaves,
        ("notes:organ", "notes:pluck"),
    ),
    "fsdd-digits-speakers": SharingStudy(
        "Digits and speakers of FSDD, one recording: what two label sets of the same clips have in common.",
        (Task(("digit",)), Task(("speaker",), group="row")),
    ),
}
"""Name -> two tasks on one network whose classes are compared."""
