"""What a person sees: run folder -> view models -> page, plots and notebook cards. Reads the store, never a network."""

from otoscope.callable_room import callable_room

callable_room(__name__, "otoscope.report.stage:report")
