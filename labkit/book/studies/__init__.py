"""Small controlled experiments for the book: a few arms, several seeds, all else the same."""
