"""Acoustic captions: what a waveform measures, said in plain English, with the numbers kept beside the words.

The way from sound to sentence, one file a step::

    frames.py       the waveform cut into frames: spectra, levels, envelope
    level.py        level, range, trend;         loudness.py  broadcast loudness
    silence.py      silence, pauses, events
    pitch.py        pitch, its movement, vibrato
    spectrum.py     brightness, bandwidth, noisiness, change
    onsets.py       onsets, attack, decay, rhythm
    modulation.py   amplitude modulation, flutter, roughness
    words.py        thresholds: numbers -> one word a family
    likeness.py     definitions: what one would call such a sound
    sentences.py    words -> two to four short sentences
    captioner.py    all of it over the clips of a table

Nothing here is shared with any rule that makes planted neurons: those look at spectrograms, this at the waveform.
"""
