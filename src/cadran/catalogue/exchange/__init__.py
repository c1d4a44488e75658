"""The catalogue in the formats of other tools, each with a report of what they cannot say.

A metric that gives another figure under the same name is worse than none: a KPI that a format
would compute otherwise is left out of its metrics, and its contract travels as an extension.
"""
