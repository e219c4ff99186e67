from .prune import PruneOptions as PruneOptions, prune_model as prune_model
from .structured import StructuredOptions as StructuredOptions, structured_pruned as structured_pruned
