"""How good the statistics are, measured on worlds whose truth is known, beside published baselines."""
