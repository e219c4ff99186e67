from .anchors import noise_amplitude as noise_amplitude
from .fidelity import UNTESTED as UNTESTED
from .shift import (
    BaselineSaliency as BaselineSaliency,
)
from .shift import (
    Candidate as Candidate,
)
from .shift import (
    SaliencyOutcome as SaliencyOutcome,
)
from .shift import (
    explain_baseline as explain_baseline,
)
from .task import SaliencyTask as SaliencyTask
