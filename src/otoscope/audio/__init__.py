"""Sound as arrays: read, write, resample, level, mix, cut; STFT, mel and fbank on torch; synthesis.

Axes are ``(channel, time)`` for one clip and ``(clip, channel, time)`` for a batch; a spectrogram is
``(..., frequency, frame)``. Samples are float32 with full scale at +-1. Nothing is imported here, so that the
package costs nothing until one of its modules is used: ``from otoscope.audio import read, stft``.
"""
