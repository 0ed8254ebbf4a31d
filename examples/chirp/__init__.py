"""Chirp: people, posts of at most 280 characters, follows and likes."""
