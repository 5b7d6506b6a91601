"""People rate descriptions: a blinded page, its key, and the answers read back.

:mod:`otoscope.report.rate` is the stage; here is what it is made of.
"""
