from .batch_words import batch_sentences as batch_sentences, batch_warnings as batch_warnings
from .bench import render_bench as render_bench
from .bench_words import names_of as names_of, noise as noise, settings_of as settings_of, warnings_of as warnings_of
from .cross_cpu_tables import cross_cpu_table as cross_cpu_table
from .html import render as render, render_page as render_page
from .markdown import sections_markdown as sections_markdown
from .pictures import map_png as map_png, png as png
from .section import Page as Page, charts_of as charts_of
from .source import OlderRun as OlderRun, ReportInput as ReportInput
from .static import export_charts as export_charts
from .study_cells import StudyCell as StudyCell
from .study_view import build_study_view as build_study_view
from .summary import summary_rows as summary_rows
from .view import build_view as build_view
