"""What a run says of itself, in words; its report, and its parameters for the next run."""

import webbrowser

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from coldstart.io.opened_run import OpenedRun
from coldstart.plugin.run_words import summary_html


class RunSummary(QWidget):
    """The summary as text, over the buttons for report, parameters and going on.

    Parameters
    ----------
    run : OpenedRun
    problems : list of str
        What could not be read.
    can_resume : bool
        Whether there is something left to do.
    """

    parameters_wanted = Signal()
    """The parameters of the run are to be loaded into the form."""

    resume_wanted = Signal()
    """The run is to go on."""

    def __init__(self, run: OpenedRun, problems: list[str], *, can_resume: bool = False) -> None:
        super().__init__()
        self._report = run.folder.report_path
        self.text = QLabel(summary_html(run, problems))
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(self.text)
        self.open_report = QPushButton("Open report")
        self.open_report.setToolTip("Show report.html of this run in the web browser.")
        self.open_report.setEnabled(self._report.is_file())
        self.open_report.clicked.connect(self._show_report)
        self.use_parameters = QPushButton("Use these parameters")
        self.use_parameters.setToolTip("Load the parameters of this run into the form for the next one.")
        self.use_parameters.setEnabled(run.params is not None)
        self.use_parameters.clicked.connect(self._want_parameters)
        self.resume = QPushButton("Resume")
        self.resume.setToolTip("Go on with this run from where it was left.")
        self.resume.clicked.connect(self._want_resume)
        buttons = QHBoxLayout()
        for button in (self.open_report, self.use_parameters, self.resume):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.addWidget(area, 1)
        layout.addLayout(buttons)
        self.resume.setVisible(can_resume)  # once it has a parent: else it would be a window of its own

    def _want_parameters(self) -> None:
        self.parameters_wanted.emit()

    def _want_resume(self) -> None:
        self.resume_wanted.emit()

    def _show_report(self) -> None:
        webbrowser.open(self._report.absolute().as_uri())
