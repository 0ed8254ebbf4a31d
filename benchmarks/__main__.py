"""``python -m benchmarks``: the benchmark that the README's numbers come from."""

from benchmarks.timeline import main

main()
