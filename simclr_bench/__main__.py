"""`python -m simclr_bench` is the command `simclr-bench`."""

from simclr_bench.cli.main import entry_point

if __name__ == "__main__":
    entry_point()
