from .affinity import core_numbers as core_numbers, kept_off as kept_off, worker_cores as worker_cores
from .environment import cpu_features as cpu_features, cpu_label as cpu_label, cpu_target as cpu_target, environment as environment, environment_of as environment_of, target_of as target_of
from .fusion import FLOAT_WEIGHTED as FLOAT_WEIGHTED, INTEGER_WEIGHTED as INTEGER_WEIGHTED, QDQ as QDQ, fusion_receipt as fusion_receipt
from .machines import expect_same_machine as expect_same_machine
from .passport import cpu_quota as cpu_quota, usable_cores as usable_cores
from .saturation import audit as audit
