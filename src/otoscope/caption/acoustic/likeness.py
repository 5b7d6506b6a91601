"""What would one call such a sound? Words of sound by their dictionary definitions, applied to the families' words.

Each row of :data:`CALLED` is a word, and what a dictionary says the sound is, as conditions on the impression and a few
measurements. The first two rows that hold are used. The words name the sound, not what makes it: a sharp high cry is
"squealing" here, whoever cries.

Source: the gist of the definitions in WordNet 3.0 (Princeton University, 2006), in each row's comment. The conditions
were written by listening to ESC-10 among others, so on ESC-10 they fit a little better than they would elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from otoscope.caption.acoustic.words import Impression

Measured = Mapping[str, float]
Rule = Callable[[Impression, Measured], bool]

SHORT = ("very short", "short")
LONG = ("medium", "long")
LOW = ("bass-heavy", "dark")
BRIGHT = ("bright", "very bright")
HIGH = ("high", "very high")
RHYTHMIC = ("slow", "regular", "fast")


def _has(measured: Measured, name: str, least: float) -> bool:
    """Return whether a measurement is there and at least ``least``."""
    return measured.get(name, -math.inf) >= least


def _taps(seen: Impression, measured: Measured) -> bool:
    """Three or more very short strokes without a pitch."""
    return seen.length == "very short" and _has(measured, "event_count", 3) and not seen.pitch


def _voiced(seen: Impression, measured: Measured) -> bool:
    """At least partly pitched and short, with pauses: a call."""
    short = seen.course == "intermittent" and seen.length == "short"
    return short and _has(measured, "pitched_share", 0.1) and seen.texture != "pure" and seen.pitch != "low"


def _steady_noise(seen: Impression) -> bool:
    return seen.texture == "noisy" and seen.course == "continuous"


CALLED: tuple[tuple[str, Rule], ...] = (
    # a short high tone produced as a signal
    (
        "beeping",
        lambda i, m: i.length in SHORT and i.pitch in HIGH and i.texture == "pure" and i.movement == "steady",
    ),
    # a sharp sound made by small birds or insects: short, high, moving
    ("chirping", lambda i, m: i.length in SHORT and i.pitch == "very high"),
    # a light, metallic, recurrent sound
    ("ticking", lambda i, m: _taps(i, m) and i.rhythm in RHYTHMIC and i.brightness != "bass-heavy"),
    # the sharp sound of snapping noises, many and irregular
    ("crackling", lambda i, m: _taps(i, m) and _has(m, "onset_rate_hz", 4) and i.peaks == "peaky"),
    # a short light sound
    ("clicking", lambda i, m: _taps(i, m) and i.brightness not in LOW and i.course == "intermittent"),
    # light blows that repeat
    (
        "knocking",
        lambda i, m: i.length in SHORT and i.attack == "sudden" and i.rhythm in RHYTHMIC and not i.pitch,
    ),
    # a heavy dull sound
    (
        "thudding",
        lambda i, m: (
            i.course == "intermittent"
            and i.length in SHORT
            and i.brightness in LOW
            and not i.pitch
            and i.attack == "sudden"
        ),
    ),
    # a sharp high-pitched cry
    ("squealing", lambda i, m: _voiced(i, m) and i.pitch in HIGH and i.brightness not in LOW),
    # a short explosive cry
    ("short cries", lambda i, m: _voiced(i, m) and i.brightness not in BRIGHT and i.attack != "gradual"),
    # a long high cry that rises and falls
    ("wailing", lambda i, m: i.pitch in HIGH and i.length in LONG and i.movement not in ("steady", "")),
    # a clear high tone, as of air through a small opening
    ("whistling", lambda i, m: i.pitch in HIGH and i.texture == "pure" and i.length in LONG),
    # a tone that sounds on after a stroke
    ("ringing", lambda i, m: i.texture in ("pure", "tonal") and i.attack == "sudden" and i.decay == "slow"),
    # an utterance: pitched, moving, rich in overtones
    (
        "voice-like cries",
        lambda i, m: i.pitch in ("medium", "high") and i.texture == "tonal" and i.movement != "steady",
    ),
    # a strong rapid beat
    ("throbbing", lambda i, m: i.modulation == "fluttering" and i.course != "intermittent"),
    # a low continuous tone
    (
        "humming",
        lambda i, m: i.pitch in ("low", "medium") and i.movement == "steady" and i.course == "continuous",
    ),
    # the sound of rapid vibration: low in pitch, rich in overtones
    (
        "buzzing",
        lambda i, m: (
            _has(m, "pitched_share", 0.15)
            and m["pitch_hz"] < 400
            and i.band != "narrow"
            and i.course != "intermittent"
        ),
    ),
    # a fricative sound
    ("hissing", lambda i, m: i.texture == "noisy" and i.brightness == "very bright"),
    # a quick succession of light rapid sounds
    ("pattering", lambda i, m: _steady_noise(i) and i.band == "broad" and _has(m, "onset_rate_hz", 1)),
    # the sound of air or water moving fast
    ("rushing", lambda i, m: _steady_noise(i) and i.brightness not in LOW),
    # a short rush of air
    (
        "puffing",
        lambda i, m: (
            i.course == "intermittent"
            and i.length in ("short", "medium")
            and i.band != "narrow"
            and not i.pitch
        ),
    ),
    # a rush that comes and goes
    (
        "swooshing",
        lambda i, m: (
            i.texture == "noisy"
            and i.course in ("uneven", "changing")
            and i.attack != "sudden"
            and i.brightness != "bass-heavy"
        ),
    ),
    # a low dull continuous noise
    (
        "rumbling",
        lambda i, m: (
            i.brightness == "bass-heavy" and i.texture in ("noisy", "mixed") and i.course != "intermittent"
        ),
    ),
    # a deep prolonged loud noise
    ("roaring", lambda i, m: i.loudness == "loud" and not i.pitch and i.course in ("continuous", "uneven")),
)
"""Word -> whether it fits, the most particular first."""


def called(seen: Impression, measured: Measured, most: int = 2) -> list[str]:
    """Return up to ``most`` words that fit, the most particular first."""
    return [word for word, fits in CALLED if fits(seen, measured)][:most]
