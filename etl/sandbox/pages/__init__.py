"""What does a person see of the sandbox in a browser?

The directory, each profile with its history, requests as they come, faults to switch on and off,
and what the sandbox is. Served beside the API on a port: everything below ``/_sandbox/pages/``, and
``/``. Pages read through the endpoints' own code and say what these would answer, but have neither
pace nor faults.

``site`` the way in, ``sessions`` who may look, ``visits`` what a page is made from, ``rendering``
how it becomes HTML; the other modules are a page each, their HTML is in ``templates``.
"""

from etl.sandbox.pages.site import Pages

__all__ = ["Pages"]
