from .latency import LatencyPlan as LatencyPlan, Timings as Timings, measure_latency as measure_latency
from .memory import resident_after_load as resident_after_load
from .profiling import not_faster as not_faster, profile as profile
from .rounds import Setting as Setting
from .slowdown import batch_norms as batch_norms, explanation as explanation
from .speedup import compare_latency as compare_latency
