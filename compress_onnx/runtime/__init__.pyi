from .affinity import core_numbers as core_numbers
from .cpu import cpu_target as cpu_target, environment as environment
from .explanation import batch_norms as batch_norms, explanation as explanation
from .fusion import fusion_receipt as fusion_receipt
from .independence import GraphSigns as GraphSigns, batch_check as batch_check, counted as counted, signs_of as signs_of
from .latency import LatencyPlan as LatencyPlan, measure_latency as measure_latency
from .machines import expect_same_machine as expect_same_machine
from .passport import usable_cores as usable_cores
from .predict import Answers as Answers, Loaded as Loaded, Samples as Samples, answered as answered, loaded as loaded, logits_of as logits_of, predictions_of as predictions_of, told as told
from .prediction_cache import kept_check as kept_check, kept_logits as kept_logits, prediction_key as prediction_key
from .profile import not_faster as not_faster, profile as profile
from .resident import resident_after_load as resident_after_load
from .saturation import audit as audit
from .speedup import compare_latency as compare_latency
from .targets import Elsewhere as Elsewhere, reached as reached, target_named as target_named
