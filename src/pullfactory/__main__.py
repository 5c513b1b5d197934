"""`python -m pullfactory`."""

from pullfactory.cli import main

if __name__ == "__main__":
    main()
