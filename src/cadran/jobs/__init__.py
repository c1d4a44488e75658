"""RUN: the writing arrow, from files to a published snapshot, and the start of a project."""
