"""``python -m backstay.cli`` is ``backstay``."""

from backstay.cli.main import main

if __name__ == "__main__":  # a spawned worker imports this file again
    main(prog_name="backstay")
