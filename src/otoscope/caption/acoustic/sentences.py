"""Plain English from an impression: two to four short sentences, varied but the same for the same clip.

Each thing to say has a few phrasings; which one is taken depends on a hash of the clip's id and the thing, so that
a set of captions does not repeat itself and a clip's caption never changes. Nothing is said of a family without a
word. Numbers stay out of the text (they are columns beside it); negations are avoided, since text encoders read "no
pitch" as "pitch".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from otoscope.caption.acoustic.words import Impression

_LOUDNESS = {
    "very quiet": ("very quiet", "very faint"),
    "quiet": ("quiet", "soft"),
    "moderately loud": ("moderately loud",),
    "loud": ("loud",),
}
_BRIGHTNESS = {
    "bass-heavy": ("bass-heavy, very dark", "deep and muffled"),
    "dark": ("dark", "dull"),
    "bright": ("bright", "crisp"),
    "very bright": ("very bright, treble-heavy", "very bright, sharp"),
}
_TEXTURE = {
    "pure": ("pure tone", "clean, pure tone"),
    "tonal": ("tonal, harmonic sound", "tonal, pitched sound"),
    "mixed": ("partly noisy sound", "somewhat noisy sound"),
    "noisy": ("noise", "noisy sound"),
}
_LIKENESS = {"like": (", like ", ": ")}
_PITCH = {
    "low": ("It is low-pitched", "The pitch is low"),
    "medium": ("It is mid-pitched", "It is medium-pitched"),
    "high": ("It is high-pitched", "The pitch is high"),
    "very high": ("It is very high-pitched", "The pitch is very high, shrill"),
}
_MOVEMENT = {
    "steady": (" and steady", " and stays level"),
    "rising": (" and rising", " and glides upwards"),
    "falling": (" and falling", " and glides downwards"),
    "wavering": (" and wavering", " and moves up and down"),
    "vibrato": (" with vibrato", " and trembles"),
}
_BAND = {
    "narrow": ("in a narrow band", "concentrated in a narrow band"),
    "broad": ("over a broad band", "spread over a broad band"),
}
_COUNT = {1: ("one single", "a single"), 4: ("a few", "several"), 10**9: ("many", "a series of")}
_COURSE = {
    "continuous": ("It is continuous and steady", "It goes on steadily, sustained"),
    "uneven": ("It is continuous but uneven", "It goes on with a changing level"),
    "changing": ("Its level changes strongly", "It swings between loud and quiet"),
}
_ATTACK = {
    "sudden": ("with a sudden, sharp attack", "starting abruptly"),
    "gradual": ("with a gradual onset", "starting gradually"),
}
_RHYTHM = {
    "slow": ("The strokes repeat in a slow, regular rhythm", "The beat is slow and regular"),
    "regular": ("The strokes repeat in a regular rhythm", "The beat is regular"),
    "fast": ("The strokes repeat in a fast, regular rhythm", "The beat is fast and regular"),
    "irregular": ("The strokes come irregularly", "The timing is irregular"),
}
_MODULATION = {
    "slow": ("The level pulsates slowly", "Its strength rises and falls slowly"),
    "fluttering": ("The level flutters rapidly, pulsating", "It throbs with a rapid pulsation"),
    "rough": ("It is rough and buzzing", "It sounds rough and rattling"),
}
_COLOUR = {
    "constant": ("Its colour stays the same", "The tone colour is constant"),
    "changing": ("Its colour changes", "The tone colour varies"),
}
_PEAKS = {"peaky": ("Sharp peaks stand out", "It has sudden, percussive peaks")}
_TREND = {"growing": ("It grows louder", "It swells"), "fading": ("It fades out", "It dies away")}
_SILENCE = {
    "some": ("Part of it is silence", "There is some silence"),
    "half": ("More than half is silence", "Mostly silence"),
    "most": ("Nearly all of it is silence", "Almost entirely silent"),
}


def compose(seen: Impression, called: Sequence[str], clip_id: str) -> str:
    """Return the caption.

    Parameters
    ----------
    seen : Impression
        One word a family.
    called : sequence of str
        What one would call the sound.
    clip_id : str
        Decides between phrasings.

    Examples
    --------
    >>> compose(Impression(loudness="loud", texture="noisy", course="continuous"), ["roaring"], "a.wav")
    'A loud, noisy sound: roaring. It goes on steadily, sustained.'
    """
    if not seen.texture:
        return "Silence."
    say = _Phrasing(clip_id)
    parts = [
        _what(seen, called, say),
        _pitch(seen, say),
        _time(seen, say),
        say("rhythm", _RHYTHM, seen.rhythm)
        if seen.course == "intermittent" or seen.length == "very short"
        else "",
        say("modulation", _MODULATION, seen.modulation),
        say("peaks", _PEAKS, seen.peaks) if seen.course != "intermittent" else "",
        say("colour", _COLOUR, seen.colour),
        say("trend", _TREND, seen.trend),
        say("silence", _SILENCE, seen.silence),
    ]
    return " ".join(_sentence(one) for one in parts if one)


class _Phrasing:
    """Takes one of several phrasings, by the clip."""

    def __init__(self, clip_id: str) -> None:
        self._clip_id = clip_id

    def __call__(self, family: str, table: Mapping[str, Sequence[str]], word: str) -> str:
        phrasings = table.get(word, ())
        if not phrasings:
            return ""
        digest = hashlib.blake2b(f"{family}|{self._clip_id}".encode(), digest_size=4).digest()
        return phrasings[int.from_bytes(digest, "big") % len(phrasings)]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _what(seen: Impression, called: Sequence[str], say: _Phrasing) -> str:
    """Return level, brightness, texture and band, and what one would call it: "a loud, dark noise, like rumbling"."""
    adjectives = [say("loudness", _LOUDNESS, seen.loudness), say("brightness", _BRIGHTNESS, seen.brightness)]
    texture = say("texture", _TEXTURE, seen.texture)
    band = say("band", _BAND, seen.band)
    described = ", ".join(one for one in adjectives if one)
    between = " " if texture == "noise" or not described else ", "
    head = f"{described}{between}{texture} {band}".strip()
    article = "an" if head[0] in "aeiou" else "a"
    likeness = say("likeness", _LIKENESS, "like") + " and ".join(called) if called else ""
    return f"{article} {head}{likeness}"


def _pitch(seen: Impression, say: _Phrasing) -> str:
    pitch = say("pitch", _PITCH, seen.pitch)
    return pitch + say("movement", _MOVEMENT, seen.movement) if pitch else ""


def _time(seen: Impression, say: _Phrasing) -> str:
    if seen.course != "intermittent":
        return say("course", _COURSE, seen.course)
    count = next(words for limit, words in _COUNT.items() if seen.events <= limit)
    noun = "burst" if seen.events == 1 else "bursts"
    length = {"very short": "very short", "short": "short", "long": "long"}.get(seen.length, "")
    attack = say("attack", _ATTACK, seen.attack)
    pieces = [say("count", {"": count}, ""), length, noun, attack]
    pause = "" if seen.events == 1 else ", with pauses between"
    return " ".join(one for one in pieces if one) + pause
