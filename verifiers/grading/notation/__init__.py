"""How answers are written: numbers, units, words, choices and spellings of mathematics, read without algebra."""
