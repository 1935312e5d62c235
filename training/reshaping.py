"""Other faces from a photo: random changes of identity and expression, which `profiling.Profiler` draws (docs/training.md, "Reshaping").

No set of photos has winks, and few have drawn brows or a pucker; teachers find them less than they are. A changed coefficient is known exactly.
"""
from __future__ import annotations

import numpy as np

from .face_model import IDENTITY_COUNT, FaceModel
from .weights import EXPRESSION, IDENTITY

IDENTITY_SPREAD, CORRECTIVE_SPREAD = 0.35, 0.2  # standard deviations of the changes, in those of the shapes
CHANCE = 0.09       # of each change below in a reshaped face
#: Shapes that move together, and the most that is added to them. A shut mouth must not open: nothing is known of its inside.
CHANGES: tuple[tuple[tuple[str, ...], float], ...] = (
    *((names, 1.0) for names in (("eyeBlink_L", "eyeBlink_R"), ("eyeBlink_L",), ("eyeBlink_R",)) for _ in range(3)),  # listed thrice: three chances
    *((names, 0.8) for names in (("eyeWide_L", "eyeWide_R"), ("browDown_L", "browDown_R"), ("browInnerUp_L", "browInnerUp_R"), ("browOuterUp_L",), ("browOuterUp_R",),
                                 ("browInnerUp_L", "browInnerUp_R", "browOuterUp_L", "browOuterUp_R"), ("mouthPucker",), ("mouthLeft",), ("mouthRight",))),
    *((names, 0.6) for names in (("mouthSmile_L", "mouthSmile_R"), ("mouthSmile_L",), ("mouthSmile_R",), ("mouthFrown_L", "mouthFrown_R"), ("noseSneer_L", "noseSneer_R"),
                                 ("mouthPress_L", "mouthPress_R"), ("mouthStretch_L", "mouthStretch_R"), ("mouthRollLower", "mouthRollUpper"), ("jawLeft",), ("jawRight",), ("jawForward",),
                                 ("cheekPuff_L", "cheekPuff_R"), ("mouthDimple_L", "mouthDimple_R"), ("mouthShrugLower", "mouthShrugUpper"))),
)


class Reshaper:
    def __init__(self, model: FaceModel):
        self.own = IDENTITY_COUNT - model.correctives
        self.correctives = model.correctives
        columns = {name: EXPRESSION.start + i for i, name in enumerate(model.expression_names)}
        self.changes = [(np.array([columns[name] for name in names]), most) for names, most in CHANGES]

    def __call__(self, p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Parameters f32 [n,104] of the faces p as they might look: pose as it is, coefficients changed."""
        out = p.copy()
        spread = np.r_[np.full(self.own, IDENTITY_SPREAD), np.full(self.correctives, CORRECTIVE_SPREAD)]
        out[:, IDENTITY] += rng.normal(0, 1, (len(p), IDENTITY_COUNT)) * spread
        for face in out:
            for columns, most in self.changes:
                if rng.random() < CHANCE:
                    face[columns] = np.minimum(np.maximum(face[columns], 0) + most * rng.uniform(0.2, 1), np.maximum(face[columns], 1))
        return out
