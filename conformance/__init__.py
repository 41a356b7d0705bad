"""What attribution libraries compute, beside formulas written by hand: `python -m conformance`."""
