from .page import render_bench as render_bench
from .settings import names_of as names_of
from .settings import settings_of as settings_of
from .settings import warnings_of as warnings_of
