"""Which words fit the numbers? Each family of descriptors becomes at most one word, by thresholds named here.

The thresholds are round numbers chosen for everyday recordings and stand in one place each; they are shared with
nothing else. A family without a word (a middling value, or a number that a clip does not have) is not spoken of; nor
is the dark colour of a sound whose pitch is high, since a tone of 450 Hz is both and nobody says so.

================ ================================================ ============================================
family           from                                             words
================ ================================================ ============================================
loudness         loudness_lufs -40, -30, -20                      very quiet, quiet, moderately loud, loud
brightness       centroid_hz 500, 1100, 2300, 3600                bass-heavy, dark, (none), bright, very bright
pitch            pitch_hz 180, 400, 1200 where >= 30 % is pitched low-, medium-, high-, very high-pitched
movement         range 1.5 and 7 semitones, sweep 3, vibrato 0.25 steady, rising, falling, wavering, vibrato
texture          noisiness 0.5, 0.8; pitch_confidence 0.7, 0.93   pure, tonal, noisy, mixed
band             bandwidth_hz 250, 1500                           narrow, broad
course           pause_share 0.1; events; level_range_db 9, 18    continuous, uneven, intermittent
length           event_length_s 0.12, 0.5, 1.5                    very short, short, medium, long
attack           attack_s 0.03, 0.2                               sudden, gradual
decay            decay_s 0.5                                      slow
rhythm           rhythm_strength 0.35, 0.6; 1.5 and 4 a second    slow, regular, fast, irregular
modulation       am_prominence 5, am_depth 0.1; roughness 0.25    slow, fluttering, rough
trend            level_trend_db 8 where the line explains 40 %    growing, fading
colour           spectral_change 0.08, 0.2                        constant, changing
peaks            crest_factor_db 22 where continuous or uneven    peaky
silence          silence_share 0.2, 0.5, 0.9                      some, half, most
================ ================================================ ============================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PITCHED_SHARE = 0.3
"""Least share of the sounding frames' amplitude with a pitch for a clip to be called pitched."""

LOUDNESS_LUFS = ((-40.0, "very quiet"), (-30.0, "quiet"), (-20.0, "moderately loud"), (math.inf, "loud"))
BRIGHTNESS_HZ = (
    (500.0, "bass-heavy"),
    (1100.0, "dark"),
    (2300.0, ""),
    (3600.0, "bright"),
    (math.inf, "very bright"),
)
PITCH_HZ = ((180.0, "low"), (400.0, "medium"), (1200.0, "high"), (math.inf, "very high"))
BAND_HZ = ((250.0, "narrow"), (1500.0, ""), (math.inf, "broad"))
LENGTH_S = ((0.12, "very short"), (0.5, "short"), (1.5, "medium"), (math.inf, "long"))
ATTACK_S = ((0.03, "sudden"), (0.2, ""), (math.inf, "gradual"))
SILENCE = ((0.2, ""), (0.5, "some"), (0.9, "half"), (math.inf, "most"))
COLOUR = ((0.08, "constant"), (0.2, ""), (math.inf, "changing"))
RHYTHM_HZ = ((1.5, "slow"), (4.0, "regular"), (math.inf, "fast"))

STEADY_SEMITONES, WAVERING_SEMITONES, SWEEP_SEMITONES = 1.5, 7.0, 3.0
VIBRATO_SEMITONES, VIBRATO_HZ = 0.25, (3.0, 9.0)
TONAL, NOISY, MOSTLY = 0.5, 0.8, 0.6
PURE_HZ, PURE_CONFIDENCE, TONAL_CONFIDENCE = 120.0, 0.93, 0.7
PAUSES, STEADY_RANGE_DB, UNEVEN_RANGE_DB = 0.1, 9.0, 18.0
REGULAR, IRREGULAR, RHYTHM_ONSETS = 0.6, 0.35, 4
MODULATED_PROMINENCE, MODULATED_DEPTH, FLUTTER_HZ, ROUGH_HZ = 5.0, 0.1, 4.0, 30.0
ROUGHNESS = 0.25
TREND_DB, TREND_FIT = 8.0, 0.4
SLOW_DECAY_S = 0.5
PEAKY_DB = 22.0


@dataclass(frozen=True)
class Impression:
    """One word a family; an empty one where there is nothing to say. See the module for what each may be."""

    loudness: str = ""
    brightness: str = ""
    pitch: str = ""
    movement: str = ""
    texture: str = ""
    band: str = ""
    course: str = ""
    events: int = 0
    length: str = ""
    attack: str = ""
    decay: str = ""
    rhythm: str = ""
    modulation: str = ""
    trend: str = ""
    colour: str = ""
    peaks: str = ""
    silence: str = ""


def impression(measured: Mapping[str, float]) -> Impression:
    """Return the words that fit the measurements; a measurement that is absent or NaN says nothing."""
    value = {name: number for name, number in measured.items() if not math.isnan(number)}
    pitched = value.get("pitched_share", 0.0) >= PITCHED_SHARE
    pitch = _step(value.get("pitch_hz"), PITCH_HZ) if pitched else ""
    brightness = _step(value.get("centroid_hz"), BRIGHTNESS_HZ)
    dark_but_high = brightness in ("bass-heavy", "dark") and pitch in ("high", "very high")
    return Impression(
        loudness=_step(value.get("loudness_lufs"), LOUDNESS_LUFS),
        brightness="" if dark_but_high else brightness,
        pitch=pitch,
        movement=_movement(value) if pitched else "",
        texture=_texture(value),
        band=_step(value.get("bandwidth_hz"), BAND_HZ),
        course=_course(value),
        events=int(value.get("event_count", 0)),
        length=_step(value.get("event_length_s"), LENGTH_S),
        attack=_step(value.get("attack_s"), ATTACK_S),
        decay="slow" if value.get("decay_s", 0.0) > SLOW_DECAY_S else "",
        rhythm=_rhythm(value),
        modulation=_modulation(value),
        trend=_trend(value),
        colour=_step(value.get("spectral_change"), COLOUR),
        peaks="peaky" if value.get("crest_factor_db", 0.0) > PEAKY_DB else "",
        silence=_step(value.get("silence_share"), SILENCE),
    )


def _step(value: float | None, steps: Sequence[tuple[float, str]]) -> str:
    """Return the word of the first step above ``value``; nothing where there is no value."""
    return "" if value is None else next(word for limit, word in steps if value < limit)


def _movement(value: Mapping[str, float]) -> str:
    spread, sweep = value.get("pitch_range_semitones", 0.0), value.get("pitch_sweep_semitones", 0.0)
    rate = value.get("vibrato_rate_hz", 0.0)
    if abs(sweep) >= SWEEP_SEMITONES:
        return "rising" if sweep > 0 else "falling"
    if (
        value.get("vibrato_depth_semitones", 0.0) >= VIBRATO_SEMITONES
        and VIBRATO_HZ[0] <= rate <= VIBRATO_HZ[1]
    ):
        return "vibrato"
    if spread >= WAVERING_SEMITONES:
        return "wavering"
    return "steady" if spread < STEADY_SEMITONES else ""


def _texture(value: Mapping[str, float]) -> str:
    noisiness, pitched = value.get("noisiness"), value.get("pitched_share", 0.0)
    if noisiness is None:
        return ""
    if pitched >= PITCHED_SHARE:
        clear = value["pitch_confidence"]
        if clear >= PURE_CONFIDENCE and value["bandwidth_hz"] < PURE_HZ:
            return "pure"
        return "tonal" if clear >= TONAL_CONFIDENCE and (pitched >= MOSTLY or noisiness < TONAL) else "mixed"
    return "noisy" if noisiness >= NOISY else "mixed"


def _course(value: Mapping[str, float]) -> str:
    if "event_count" not in value:
        return ""
    if value["pause_share"] >= PAUSES and (value["event_count"] > 1 or value["silence_share"] >= PAUSES):
        return "intermittent"
    spread = value.get("level_range_db", 0.0)
    return (
        "continuous" if spread < STEADY_RANGE_DB else ("uneven" if spread < UNEVEN_RANGE_DB else "changing")
    )


def _rhythm(value: Mapping[str, float]) -> str:
    strength = value.get("rhythm_strength")
    if strength is None or value["onset_count"] < RHYTHM_ONSETS:
        return ""
    if strength >= REGULAR:
        return _step(value["rhythm_rate_hz"], RHYTHM_HZ)
    return "irregular" if strength < IRREGULAR and value["onset_rate_hz"] > 2.0 else ""


def _modulation(value: Mapping[str, float]) -> str:
    standing_out = value.get("am_prominence", 0.0) >= MODULATED_PROMINENCE
    if not standing_out or value["am_depth"] < MODULATED_DEPTH:
        broken = value.get("pause_share", 1.0) >= PAUSES or value.get("crest_factor_db", 0.0) > PEAKY_DB
        return "" if broken or value.get("roughness", 0.0) < ROUGHNESS else "rough"
    rate = value["am_rate_hz"]
    return "slow" if rate < FLUTTER_HZ else ("fluttering" if rate < ROUGH_HZ else "rough")


def _trend(value: Mapping[str, float]) -> str:
    trend = value.get("level_trend_db", 0.0)
    if abs(trend) < TREND_DB or value["level_trend_fit"] < TREND_FIT:
        return ""
    return "growing" if trend > 0 else "fading"
