"""The same timeline, written without Backstay."""
