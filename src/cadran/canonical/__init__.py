"""SHAPE: one model of a B2B company, whatever the source."""
