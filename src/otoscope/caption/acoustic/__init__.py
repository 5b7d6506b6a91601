"""Acoustic captions: what a waveform measures, said in plain English, with the numbers kept beside the words."""
