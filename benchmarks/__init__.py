"""One file per question; the same data and the same answers for us and for the others."""
