from .export import Exported as Exported, checkpoint_exported as checkpoint_exported, exported as exported, own_images as own_images
from .inspection import saturation_audit as saturation_audit, weighed as weighed
from .pruning import Search as Search, prune_file as prune_file, search_file as search_file, searched_model as searched_model
from .quantization import CalibrationData as CalibrationData, PreparedData as PreparedData, cache_key as cache_key, calibration_batches as calibration_batches, quantize_file as quantize_file
