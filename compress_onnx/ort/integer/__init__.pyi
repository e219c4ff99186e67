from .arithmetic import lost_in_pairs as lost_in_pairs
from .emulation import EmulatedModel as EmulatedModel, FusedModel as FusedModel, expect_measured as expect_measured, fused as fused
from .kernels import IntegerNode as IntegerNode
from .probe import is_saturated as is_saturated, probe_input as probe_input, saturates as saturates, saturation_probe as saturation_probe
from .requantization import along_channels as along_channels
from .stages import Key as Key, key_of as key_of, needed_by as needed_by
