"""What may happen on a night? Each event gives the night's commands and says how each ends."""

from tests.nights import files, people, state, troubles

EVENTS = files.event | troubles.event | people.event | state.event
