from .bench import LatencyPlan as LatencyPlan, batch_norms as batch_norms, compare_latency as compare_latency, explanation as explanation, measure_latency as measure_latency, not_faster as not_faster, profile as profile, resident_after_load as resident_after_load
from .cpu import audit as audit, core_numbers as core_numbers, cpu_target as cpu_target, environment as environment, expect_same_machine as expect_same_machine, fusion_receipt as fusion_receipt, usable_cores as usable_cores
from .independence import GraphSigns as GraphSigns, batch_check as batch_check, counted as counted, signs_of as signs_of
from .predict import Answers as Answers, Loaded as Loaded, Samples as Samples, answered as answered, loaded as loaded, logits_of as logits_of, predictions_of as predictions_of, told as told
from .prediction_cache import kept_check as kept_check, kept_logits as kept_logits, prediction_key as prediction_key
from .targets import Elsewhere as Elsewhere, reached as reached, target_named as target_named
