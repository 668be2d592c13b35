"""`python -m ladcli` is `lad`."""

from ladcli.cli import main

if __name__ == "__main__":
    main()
