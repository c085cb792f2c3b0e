"""A stand-in for LeRobot, for tests: names, signatures and file formats, and tiny policies.

Import paths, signatures, the order of calls, registered names of processor steps and the files of
a checkpoint are facts taken from the sources of LeRobot 0.6.2 (main of 2026-08-23), which 0.4.4
shares as far as they are here; those of `lawam` from huggingface/lerobot#3999. No code is
LeRobot's. Of what LeRobot computes there is (un)normalisation and renaming; the policies are toys.
"""

__version__ = "0.6.2"
