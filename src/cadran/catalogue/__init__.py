"""DEFINE: what is governed, in YAML."""
