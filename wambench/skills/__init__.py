"""Skills: demonstrations cut where the gripper takes hold and lets go, a prompt for each piece.

The data half of World2Act (arXiv 2603.10422): a long demonstration becomes short clips, each with a
low-level prompt of its own, from which a world model learns one skill at a time.

gripper.py       finger width and command of a demonstration; cycles of holding and not holding
instructions.py  splits an instruction into prompts by rules, without a network
llm.py           splits it by a language model behind an OpenAI-compatible endpoint
decompose.py     aligns the two in time; what does not match is discarded, and counted
clips.py         writes clips in the layout of World2Act's code, and as demonstrations

It needs demonstrations and nothing of any method, so it is part of the harness, beside
`wambench.demos`; whoever trains on skills reads the clips as any other dataset.
"""
