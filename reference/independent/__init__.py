"""What the programs `make.py` have in common: NumPy and SciPy only, written for this folder."""
