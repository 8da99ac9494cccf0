"""A local Square: the Customers API and its neighbours, stateful, on SQLite, to rehearse against.

**What it does not do**: webhooks to other machines, taxes, discounts and refunds, payments in
several steps, OAuth but for the status of a token. Asked for one of these it says so; it never
pretends. What older Square-Versions do differently is one table in ``etl.sandbox.versions``; what
Square leaves open and the sandbox had to decide is listed in ``etl.sandbox.assumptions``.

::

    with httpx.Client(transport=Sandbox().transport(), base_url="http://square.invalid") as client:
        ...

A duty per room: ``routes`` which path, ``apis`` what each endpoint does, ``rules`` what a thing
must be, ``search`` which profiles are asked for, ``store`` state, ``reading`` how a JSON body is
taken apart, ``keys`` idempotency, ``errors`` Square's words, ``events`` what happened and how
subscribers hear of it, ``faults`` what goes wrong on purpose, ``edge``, ``tokens`` and
``versions`` what is checked first, ``settings`` what can be switched, ``control`` what Square has
no call for, ``seed`` a plausible directory, ``openapi`` the description of all there is,
``traffic`` what was answered lately, ``pages`` what a person sees of it in a browser, ``server``
and ``transport`` the two ways in.
"""

from etl.sandbox.application import Sandbox
from etl.sandbox.messages import Delivery, Request, Response
from etl.sandbox.store import SandboxFileError

__all__ = ["Delivery", "Request", "Response", "Sandbox", "SandboxFileError"]
