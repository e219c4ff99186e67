from .fidelity import UNTESTED as UNTESTED
from .floor_ceiling import noise_amplitude as noise_amplitude
from .maps import explained_maps as explained_maps
from .shift import BaselineSaliency as BaselineSaliency
from .shift import SaliencyCandidate as SaliencyCandidate
from .shift import SaliencyOutcome as SaliencyOutcome
from .shift import explain_baseline as explain_baseline
from .task import SaliencyTask as SaliencyTask
