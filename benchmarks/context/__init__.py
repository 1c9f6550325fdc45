"""What `benchmarks/context.py` measures with: questions, the searches to beat, links as questions, times."""
