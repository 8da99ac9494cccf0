"""What can stop a run, each named for its remedy.

::

    EtlError
    ├── ConfigError       the settings are wrong: change them and run again
    ├── SourceError       a file cannot be read as it stands: mend it or say how to read it
    ├── StateError        the record of an earlier run cannot be used: follow the message
    ├── LockedError       another run is at work on this state: wait for it
    ├── BrakeError        a limit the operator set was reached: look, then raise it
    ├── Interrupted       somebody stopped the run: resume it
    └── SquareError       Square did not do what was asked
        ├── Unavailable   the same request may succeed later: resume
        ├── Unauthorized  the token was refused: renew it, then resume
        └── Refused       the same request will never succeed

Bad rows never raise: they become rows of a problems table (``etl.customers.problems``).
Which exit status each becomes is decided in ``etl.cli``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class EtlError(Exception):
    """Any failure that has a message for the person who started the run."""


class ConfigError(EtlError, ValueError):
    """The settings cannot be used; the message names the key and the remedy."""


class SourceError(EtlError, ValueError):
    """A source cannot be read as it stands; the message names file, line and the remedy."""


class StateError(EtlError, RuntimeError):
    """A journal or another file of the state folder is missing, damaged or from another version."""


class LockedError(EtlError, RuntimeError):
    """Another process holds the lock of this state folder; the message names it."""


class BrakeError(EtlError, RuntimeError):
    """A brake of ``[limits]`` was reached before or during the load; nothing is lost."""


class Interrupted(EtlError, RuntimeError):
    """A signal asked the run to stop; the journal is complete up to here."""


class SquareError(EtlError, RuntimeError):
    """Square, or the network before it, did not do what was asked."""


class Unavailable(SquareError):
    """No usable answer within the patience: outage, rate limit, unreadable answers."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of Square's ``errors`` list.

    Source: reference of the error envelope; ``detail`` and ``field`` may be absent there and
    are empty here then.
    """

    category: str
    code: str
    detail: str = ""
    field: str = ""


class Refused(SquareError):
    """Square answered 4xx to the request as a whole: sending it again changes nothing.

    ``repeated`` tells that earlier attempts of the request were not answered: what they did before
    this refusal is not known.
    """

    repeated = False

    def __init__(self, endpoint: str, status: int, faults: Sequence[Fault]) -> None:
        self.endpoint = endpoint
        self.status = status
        self.faults = tuple(faults)
        # Codes only: a detail may quote a customer's data, and this is shown on the screen.
        said = ", ".join(filter(None, (fault.code for fault in faults)))
        super().__init__(f"Square refused {endpoint} with {status}: {said or 'no reason given'}")


class Unauthorized(Refused):
    """401 or 403: the token is missing, wrong, expired, revoked, or lacks a scope.

    ``scopes`` are those it lacks, where that is known.
    """

    def __init__(
        self, endpoint: str, status: int, faults: Sequence[Fault], scopes: Sequence[str] = ()
    ) -> None:
        super().__init__(endpoint, status, faults)
        self.scopes = tuple(scopes)

    def __str__(self) -> str:
        if self.scopes:
            return (
                f"the access token is without {' and '.join(self.scopes)}, which {self.endpoint} "
                "needs: renew it with that, or leave it out"
            )
        said = ", ".join(filter(None, (fault.code for fault in self.faults)))
        return (
            f"Square did not accept the access token for {self.endpoint} ({self.status} {said}): "
            "is it expired, revoked, of the other environment, or without CUSTOMERS_READ, "
            "CUSTOMERS_WRITE and MERCHANT_PROFILE_READ?"
        )
