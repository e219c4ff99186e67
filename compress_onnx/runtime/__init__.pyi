from .bench import (
    LatencyPlan as LatencyPlan,
)
from .bench import (
    batch_norms as batch_norms,
)
from .bench import (
    compare_latency as compare_latency,
)
from .bench import (
    explanation as explanation,
)
from .bench import (
    measure_latency as measure_latency,
)
from .bench import (
    not_faster as not_faster,
)
from .bench import (
    profile as profile,
)
from .bench import (
    resident_after_load as resident_after_load,
)
from .cpu import (
    audit as audit,
)
from .cpu import (
    core_numbers as core_numbers,
)
from .cpu import (
    cpu_target as cpu_target,
)
from .cpu import (
    environment as environment,
)
from .cpu import (
    expect_same_machine as expect_same_machine,
)
from .cpu import (
    fusion_receipt as fusion_receipt,
)
from .cpu import (
    usable_cores as usable_cores,
)
from .independence import GraphSigns as GraphSigns
from .independence import batch_check as batch_check
from .independence import counted as counted
from .independence import signs_of as signs_of
from .predict import (
    Answers as Answers,
)
from .predict import (
    Loaded as Loaded,
)
from .predict import (
    Samples as Samples,
)
from .predict import (
    answered as answered,
)
from .predict import (
    loaded as loaded,
)
from .predict import (
    logits_of as logits_of,
)
from .predict import (
    predictions_of as predictions_of,
)
from .predict import (
    told as told,
)
from .prediction_cache import kept_check as kept_check
from .prediction_cache import kept_logits as kept_logits
from .prediction_cache import prediction_key as prediction_key
from .targets import Elsewhere as Elsewhere
from .targets import reached as reached
from .targets import target_named as target_named
