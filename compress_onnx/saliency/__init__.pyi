from .anchors import noise_amplitude as noise_amplitude
from .fidelity import UNTESTED as UNTESTED
from .shift import BaselineSaliency as BaselineSaliency, Candidate as Candidate, SaliencyOutcome as SaliencyOutcome, explain_baseline as explain_baseline
from .task import SaliencyTask as SaliencyTask
