"""LaWAM: a policy that imagines a visual subgoal with a latent world model and acts towards it.

Stage 1 (`lawm`) learns latent actions and the world model LaWM from pairs of frames; stage 2
(`model`) learns the policy. `config` holds the presets and every switch.
"""
