"""`python -m routerctl`."""

from routerctl.cli import main

if __name__ == "__main__":
    main()
