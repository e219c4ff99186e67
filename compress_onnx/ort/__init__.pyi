from .batches import Inputs as Inputs, batch_for as batch_for, exact_spans as exact_spans, spans as spans, usual_batch as usual_batch
from .failures import quantizer_failures as quantizer_failures, step_failures as step_failures
from .integer import EmulatedModel as EmulatedModel, FusedModel as FusedModel, IntegerNode as IntegerNode, Key as Key, along_channels as along_channels, expect_measured as expect_measured, fused as fused, is_saturated as is_saturated, key_of as key_of, lost_in_pairs as lost_in_pairs, needed_by as needed_by, probe_input as probe_input, saturates as saturates, saturation_probe as saturation_probe
from .session import compressing_on as compressing_on, fixed_batch as fixed_batch, image_input as image_input, open_session as open_session, plain_message as plain_message, quiet_options as quiet_options, runtime_failures as runtime_failures
from .tensors import free_batch as free_batch, runner as runner
