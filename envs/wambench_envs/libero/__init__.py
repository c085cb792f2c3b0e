"""LIBERO: 130 tabletop tasks for a Panda arm, on official or embedded assets.

    suite.py         the five suites (entry points)      tasks.py       their tasks, without LIBERO
    env.py           the gymnasium environment           scene.py       reset, names, success
    stepper.py       one control step, bit for bit       camera.py      pictures, and which way up
    robot.py         a cheap look for the robot          gl.py          OpenGL without a screen
    upstream.py      the only import of LIBERO           init_states.py its states, read safely
    official.py      official assets                     assets/        embedded assets
    doctor.py        is this installation right?         golden.py      what it is compared with
    reference.py     upstream's own environment, for tests and benchmarks

Pixels are what published policies see: row 0 is the top, and left and right are mirrored with
respect to a true picture. They equal `obs["agentview_image"][::-1, ::-1]`
of upstream; see `camera.py`.
"""
