from .reference import Batches as Batches, Reference as Reference, referenced as referenced
from .statistics import RepairOutcome as RepairOutcome, repaired as repaired
from .step import repair_model as repair_model
