"""MEASURE: questions to numbers, with what statistics need."""
