from .layer_error import taps as taps
from .sound_pruning import expect_only_zeros as expect_only_zeros, expect_sound_pruning as expect_sound_pruning, made_images as made_images
from .sound_quantization import SoundForm as SoundForm, sound_form as sound_form
from .verify import CHECKED_IMAGES as CHECKED_IMAGES, REPORT as REPORT, expect_explained as expect_explained, expect_runs as expect_runs, expect_same_function as expect_same_function, few as few, outputs as outputs
