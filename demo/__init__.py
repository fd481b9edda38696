"""conda-pack at work, with nothing but a Python: ``python -m demo``.

The demonstration makes its own conda packages from the interpreter that runs it, so it needs no network, no
compiler and no conda. The tests make their environments with the same modules.
"""
