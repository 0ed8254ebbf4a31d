"""Backstay: the whole backend, from your models."""
