from .cases import StudyCell as StudyCell
from .page import build_study_view as build_study_view
