"""What the benches' tests are made of: a small clip's measures, and a run."""

from bench.rounds import Run

FRAMES = 12
SIZE_PX = (64, 48)


def run(fps: float, others_busy: float = 0.0) -> Run:
    return Run(fps=fps, cores_busy=2.0, others_busy=others_busy)
