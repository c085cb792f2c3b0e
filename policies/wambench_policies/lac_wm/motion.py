"""The motion decoder: what a latent says about how hands and camera move (§3.2).

The present frame's tokens are made coarser by a convolution; one half of the latent asks them for
the poses of the end-effectors after each action of the chunk, the other for the camera's. Kernel,
widths and depth are not in the paper.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wambench_policies.lac_wm.config import DynamicsConfig
from wambench_policies.nn.attention import CrossAttentionBlock
from wambench_policies.nn.embodiment import EmbodimentMLP


class MotionDecoder(nn.Module):
    """See the module docstring.

    Args:
        config: Sizes.
        grid: Rows and columns of a frame's tokens.
        token_dim: Their width.
    """

    def __init__(self, config: DynamicsConfig, grid: tuple[int, int], token_dim: int) -> None:
        super().__init__()
        motion = config.motion
        self.grid = grid
        self.chunk = config.chunk
        half = config.latent_dim // 2
        self.coarser = nn.Conv2d(token_dim, motion.dim, 3, stride=2, padding=1)
        self.pose_query = nn.Linear(half, motion.dim)
        self.camera_query = nn.Linear(half, motion.dim)
        self.block = CrossAttentionBlock(motion.dim, motion.heads, motion.hidden)
        pose = config.chunk * motion.pose_width
        self.per_embodiment = motion.per_embodiment_heads
        if self.per_embodiment:
            self.pose: nn.Module = EmbodimentMLP(
                config.embodiments, motion.dim, motion.hidden, pose
            )
        else:
            self.pose = nn.Sequential(
                nn.Linear(motion.dim, motion.hidden), nn.GELU(), nn.Linear(motion.hidden, pose)
            )
        self.camera = nn.Sequential(
            nn.LayerNorm(motion.dim), nn.Linear(motion.dim, config.chunk * motion.camera_width)
        )

    def forward(self, tokens: Tensor, z: Tensor, embodiment: Tensor) -> tuple[Tensor, Tensor]:
        """Poses after each action of a chunk.

        Args:
            tokens: (M, N, D) present frames.
            z: (M, Z) latents.
            embodiment: (M,) numbers.

        Returns:
            (M, P, W) poses of end-effectors and (M, P, C) of the camera.
        """
        planes = tokens.transpose(1, 2).unflatten(2, self.grid)
        seen = self.coarser(planes).flatten(2).transpose(1, 2)
        first, second = z.chunk(2, dim=-1)
        queries = torch.stack([self.pose_query(first), self.camera_query(second)], dim=1)
        answers = self.block(queries, seen)
        if self.per_embodiment:
            pose = self.pose(answers[:, :1], embodiment).squeeze(1)
        else:
            pose = self.pose(answers[:, 0])
        camera = self.camera(answers[:, 1])
        return pose.unflatten(-1, (self.chunk, -1)), camera.unflatten(-1, (self.chunk, -1))
