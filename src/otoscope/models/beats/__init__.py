"""BEATs: a transformer over patches of a filter bank, made for audio; see :mod:`otoscope.models.beats.net`."""
