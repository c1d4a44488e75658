"""JUDGE: the only room that both asks and interprets."""
