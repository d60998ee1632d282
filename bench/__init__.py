"""The figures that this project claims, and the commands that give them: ``python -m bench.NAME``. See README.md."""
