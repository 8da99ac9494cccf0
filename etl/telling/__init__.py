"""Who hears of a run but the person at the terminal: logs, notifications, metrics, traces.

None of them changes what a run does or how it ends, and none is told of anybody's data.
"""
