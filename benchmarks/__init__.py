"""How close Cadran is to the machine's limit, and to other ways of asking the same questions."""
