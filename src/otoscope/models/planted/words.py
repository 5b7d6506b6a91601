"""Say in ordinary English what each rule is about: the descriptions that are accepted as naming it.

Written from the rules' definitions alone, without sight of any concept set or caption template. Words name how a
sound sounds; names of sound sources (rain, dog) are not accepted for any rule.
"""

from __future__ import annotations

_LOW = (
    "low-pitched, low pitch, low, low-frequency, low frequency, deep, bass, bassy, rumbling, rumble, booming"
)
_HIGH = (
    "high-pitched, high pitch, high, high-frequency, high frequency, shrill, piercing, bright, treble, tinny"
)

_LISTS: dict[str, str] = {
    "low_band": f"{_LOW}, dark, dull, muffled, humming, thudding",
    "high_band": f"{_HIGH}, sharp, crisp, brilliant, sizzling, hissing, hiss, sibilant, thin, squeaky",
    "onset": (
        "sudden, abrupt, percussive, impulsive, impact, sharp attack, fast attack, transient, burst, bursting, "
        "click, clicking, knock, knocking, bang, banging, tap, tapping, hit, hitting, striking, snap, snapping, "
        "pop, popping, clap, clapping, staccato, plucked, thud, thudding, crack, cracking"
    ),
    "slow_modulation": (
        "rhythmic, rhythm, pulsing, pulsating, pulse, beating, beat, throbbing, periodic, repeating, repetitive, "
        "repeated, regular, recurring, intermittent, ticking, undulating, swelling, amplitude-modulated, modulated"
    ),
    "fast_modulation": (
        "fluttering, flutter, tremolo, trembling, tremulous, quivering, trilling, trill, rattling, rattle, "
        "vibrating, shimmering, warbling, buzzing, rough, rapid, fast, rapidly pulsing, pulsing, pulsating, "
        "rolling, chattering, amplitude-modulated, modulated"
    ),
    "noisy": (
        "noisy, noise, noise-like, white noise, hissing, hiss, static, rushing, rustling, whooshing, whoosh, "
        "breathy, airy, hoarse, unpitched, toneless, atonal, broadband, wideband"
    ),
    "tonal": (
        "tonal, tone, toned, pitched, pure, pure tone, harmonic, musical, melodic, melodious, tuneful, whistling, "
        "humming, singing, ringing, clear, voiced, vowel-like, resonant"
    ),
    "low_pitch": f"{_LOW}, humming, hum, droning, drone",
    "high_pitch": (
        f"{_HIGH}, whistling, whistle, squeaking, squeaky, squealing, squeal, screeching, chirping, beeping, "
        "ringing, sharp, thin"
    ),
    "loud": "loud, intense, strong, powerful, forceful, blaring, roaring, deafening, booming, full",
    "quiet": "quiet, silent, silence, near silence, soft, faint, hushed, weak, gentle, low-level, still, calm",
    "steady": (
        "steady, constant, continuous, sustained, stationary, stable, unchanging, unvarying, even, uniform, smooth, "
        "flat, held, monotonous, droning, drone, unbroken"
    ),
}

WORDS: dict[str, tuple[str, ...]] = {
    rule: tuple(word.strip() for word in listed.split(",")) for rule, listed in _LISTS.items()
}
"""Rule -> accepted words, lower case, the plainest first."""
