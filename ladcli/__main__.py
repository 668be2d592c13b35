"""`lad`, and `python -m ladcli`: signals first, then everything else."""

import os


def main() -> None:
    """Entry point of the console script.

    What `ladcli.cli` imports takes its time, and Ctrl-C is answered in it.
    """
    # Threads of torch that wait for each other by spinning starve where other programs run: on two
    # busy cores a step took six times as long. Read when torch is imported; the user's own wins.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from ladcli.engine.interrupt import listen

        listen()
    except KeyboardInterrupt:  # pressed before anybody listened
        os.write(2, b"lad: interrupted\n")
        os._exit(130)
    from ladcli.cli import app

    app()


if __name__ == "__main__":
    main()
