"""What only the chapters and their studies need. Nothing else in labkit imports it."""
