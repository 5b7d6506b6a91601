"""Layers, hooks, pooling, ranking and the streaming recorder."""

from otoscope.callable_room import callable_room

callable_room(__name__, "otoscope.record.stage:record")
