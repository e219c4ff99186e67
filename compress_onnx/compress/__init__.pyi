from .checks import expect_sound_pruning as expect_sound_pruning, made_images as made_images
from .pruning import PruneOptions as PruneOptions, StructuredOptions as StructuredOptions, prune_model as prune_model, structured_pruned as structured_pruned
from .quantization import QuantizeOptions as QuantizeOptions, mixed_model as mixed_model, quantize_model as quantize_model, repaired_int4 as repaired_int4, widened as widened
from .repair import Batches as Batches, Reference as Reference, referenced as referenced, repair_model as repair_model
