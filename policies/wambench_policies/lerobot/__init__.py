"""Policies in LeRobot's checkpoint format, run in this process by the package `lerobot`.

    checkpoint.py  the folder: found, read and checked without LeRobot or PyTorch
    inputs.py      which of a suite's cameras and numbers are which of the checkpoint's inputs
    runner.py      the only import of LeRobot: arrays of one observation in, a chunk of actions out
    policy.py      the entry point

Between `policy.py` and `runner.py` go arrays, numbers and strings alone, so that the runner can
stand in another interpreter than the harness.

Written from the sources of LeRobot 0.4.4 and 0.6.2 (main of 2026-08-23), and for the policy type
`lawam` from its pull request (huggingface/lerobot#3999), which came later. The tests run a stand-in
with the same signatures; docs/lerobot.md says what was run beside.
"""
