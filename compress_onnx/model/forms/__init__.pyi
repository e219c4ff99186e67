from .inlining import inlined as inlined
from .normalize import normalized as normalized, with_plain_tensors as with_plain_tensors
