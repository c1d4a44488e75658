"""INTERPRET: arrays in, dataclasses out."""
