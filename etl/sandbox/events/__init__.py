"""Which events are there, and how do those who subscribed hear of them?

``types`` what may happen, ``news`` whom it concerns when it does, ``envelope`` what each event
tells, ``samples`` those a test makes up; ``deliveries`` what is sent and when again, ``courier``
how it travels.
"""
